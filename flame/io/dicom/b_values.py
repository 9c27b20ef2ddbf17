"""Reads the diffusion weighting of an instance, also where only the vendor's attribute has it."""

from pydicom.dataset import Dataset

from flame.io.dicom.instances import number

_PRIVATE = (
    ("SIEMENS MR HEADER", 0x0019, 0x0C),
    ("GEMS_PARM_01", 0x0043, 0x39),
    ("Philips Imaging DD 001", 0x2001, 0x03),
)
"""Private creator, group and element of the b value: Siemens B_value, GE Slop_int_6 and Philips
DiffusionBFactor, as in the DICOM conformance statements of the vendors.
"""
_GE_OFFSET = 1e9
"""GE adds this to the b value of directions that it calculates."""


def b_value(header: Dataset) -> float:
    """Return the diffusion weighting.

    Args:
        header: DICOM header.

    Returns:
        DiffusionBValue (0018,9087), or else the private attribute of the vendor, in s/mm²; 0
        without either.
    """
    standard = number(header, "DiffusionBValue")
    if standard:
        return standard
    for creator, group, element in _PRIVATE:
        try:
            value = header.private_block(group, creator)[element].value
            first = value if isinstance(value, str | int | float) else value[0]
            return float(first) % _GE_OFFSET
        except (KeyError, IndexError, TypeError, ValueError):
            continue
    return 0.0
