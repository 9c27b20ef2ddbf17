"""The scanner of a series, from headers by hand."""

from pydicom import Dataset

from flame.io.dicom.scanner import scanner_in_words, scanner_of


def test_a_scanner_is_known_by_maker_model_software_and_field() -> None:
    header = Dataset()
    header.Manufacturer = " SIEMENS "
    header.ManufacturerModelName = "Skyra"
    header.SoftwareVersions = ["syngo", "E11"]
    header.MagneticFieldStrength = "30000"  # gauss
    header.InstitutionName = "hospital"
    header.DeviceSerialNumber = "12345"
    found = scanner_of(header)
    assert found == {
        "Manufacturer": "SIEMENS",
        "ManufacturersModelName": "Skyra",
        "SoftwareVersions": "syngo E11",
        "MagneticFieldStrength": 3.0,
    }
    assert scanner_in_words(found) == "SIEMENS Skyra 3 T syngo E11"


def test_what_is_missing_or_damaged_is_left_out() -> None:
    header = Dataset()
    header.Manufacturer = "a\x00b"
    header.MagneticFieldStrength = ""
    assert scanner_of(header) == {}
    assert scanner_in_words({}) == ""
