"""The scanner of a series, from headers by hand."""

from pydicom import Dataset

from flame.io.dicom.scanner import scanner_in_words, scanner_of

KEY = b"0123456789abcdef"


def skyra(software: str = "E11") -> Dataset:
    header = Dataset()
    header.Manufacturer = " SIEMENS "
    header.ManufacturerModelName = "Skyra"
    header.SoftwareVersions = ["syngo", software]
    header.MagneticFieldStrength = "30000"  # gauss
    header.InstitutionName = "hospital"
    header.DeviceSerialNumber = "12345"
    return header


def test_a_scanner_is_known_by_maker_field_and_a_hash_of_model_and_software() -> None:
    found = scanner_of(skyra(), KEY)
    assert found == {**found, "Manufacturer": "Siemens", "MagneticFieldStrength": 3.0}
    assert set(found) == {"Manufacturer", "MagneticFieldStrength", "Scanner"}
    assert scanner_in_words(found) == f"Siemens 3 T {found['Scanner']}"
    assert scanner_of(skyra("E12"), KEY)["Scanner"] != found["Scanner"]
    assert scanner_of(skyra(), b"another key of it")["Scanner"] != found["Scanner"]


def test_no_text_that_a_hospital_types_is_kept() -> None:
    header = Dataset()
    header.Manufacturer = "Jane Doe"
    header.ManufacturerModelName = "Doe^Jane"
    assert set(scanner_of(header, KEY)) == {"Scanner"}
    assert "Doe" not in str(scanner_of(header, KEY))


def test_what_is_missing_or_damaged_is_left_out() -> None:
    header = Dataset()
    header.MagneticFieldStrength = ""
    assert scanner_of(header, KEY) == {}
    assert scanner_in_words({}) == ""
