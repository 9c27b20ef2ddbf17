"""Tells series that are no structural head volume: maps, diffusion, angiography, and more."""

import re

from pydicom.dataset import Dataset

from flame.io.dicom.contrast import plain
from flame.io.dicom.instances import number, words
from flame.io.dicom.series import Series

MIN_SLICES = 10
"""Series with fewer slices are rejected, as localizers and scouts are no volumes."""

_TYPES = {
    *("LOCALIZER", "DERIVED", "SECONDARY", "PROJECTION IMAGE", "SUBTRACTION"),
    *("MPR", "MIP", "MIN IP", "MAX IP", "MINIP"),
    *("ADC", "FA", "TRACEW", "DIFFUSION", "PERFUSION", "CBF", "CBV", "MTT", "TTP", "ASL", "SWI"),
    *("PHASE", "P", "REAL", "R", "IMAGINARY", "I", "PHASE MAP", "FIELD MAP", "B0 MAP", "B0", "B1"),
    *("T1 MAP", "T2 MAP", "T2_STAR MAP", "R2 MAP", "R2_STAR MAP", "FLIP ANGLE MAP"),
    *("FAT", "F", "FF", "OP", "OPP_PHASE", "OUT_PHASE", "INV1", "INV2"),
}
"""Values of ImageType (0008,0008) that mark images which are not structural originals."""
REFORMAT_TYPES = {"MPR", "REFORMATTED", "PROJECTION IMAGE"}
"""Values of ImageType that mark a reformat; Philips calls its own PROJECTION IMAGE."""
UNIFORM = "UNI"
"""Value of ImageType of the uniform image of MP2RAGE, which is computed and yet a T1."""
_ALLOWED_IF_COMPUTED = {"DERIVED", "SECONDARY", "MPR", "PROJECTION IMAGE"}
"""Values of ImageType that reformats and uniform images may have."""
_CONTRASTS = {
    *("DIFFUSION", "FLOW_ENCODED", "PERFUSION", "PROTON_DENSITY", "STIR", "TAGGING", "T2_STAR"),
    "TOF",
}
"""Values of AcquisitionContrast (0008,9209) other than T1, T2 and FLAIR."""
_SHORTEST_ECHO = 0.5
"""Shortest echo time of a structural image, in ms."""
_UNITS = {
    *("HZ", "RAD", "MRAD", "MILLIRADIALS", "DEGREE", "DEG", "MS", "MSEC", "S", "1/S", "%", "PPM"),
}
"""Units (RescaleType, 0028,1054, and Units, 0054,1001) of computed maps."""
_BODY_PARTS = re.compile(
    r"SPINE|ABDOMEN|PELVIS|CHEST|BREAST|HEART|LIVER|PROSTATE|KNEE|HIP|SHOULDER|ANKLE|WRIST|ELBOW|"
    r"FOOT|HAND|LEG|ARM|EXTREMITY|THORAX|LUMBAR|^NECK$"
)
"""BodyPartExamined (0018,0015) of other parts than the head."""
_WORDS_BY_KIND = {
    "localizer": (
        r"\bloc(?:ali[sz]er|alisateur|ator)\w*|^\W*(?:3[ -]?pl\w*[ -]*)?loc\b(?!\.)|\bloc\W*$"
    ),
    "diffusion": (
        r"(?:dwi|dti|dki)|\b(?:hardi|diff(?:usion)?|e?adc|trace|tensor|mddw|ep2d|ep b\d|resolve)\w*"
        r"|\b[a-z]?b ?[=-]? ?(?:0|50|500|700|800|1000|1500|2000|2500|3000)\b"
    ),
    "perfusion": r"\b(?:perf\w*|dsc|dce|p?c?asl|r?cb[fv]|mtt|ttp|tmax|ktrans|dyn|dynamic)\b",
    "functional": r"\b(?:fmri|fcmri|bold|rest(?:ing)?[ -]?state|rsfmri|task)\b",
    "flow": (
        r"\b(?:mra|mrv|tof\w*|willis|angio\w*|veno\w*|venc|pca|[23]d ?pc|q-?flow|inhance)\b"
        r"|phase ?contrast"
    ),
    "susceptibility": (
        r"\b(?:swi\w*|swan|swp|qsm|t2 ?star\w*|hemo|haemo|t2w? ?-?(?:ffe|gre)|medic|merge)\b"
        r"|\bt2 ?\*|\bme[23]d\w*|\bmulti[ -]?echo\b|\bmegre\b"
    ),
    "field": (
        r"\b(?:gre )?field ?map\w*|\bfmap|phase ?diff|\bfm2d\w*|b[01][ -]?map\w*|\bafi\b|\bb[01]\b"
    ),
    "steady state": (
        r"\b(?:ciss|fiesta\w*|trufi\w*|true ?fisp|b-?ffe|b-?tfe|balanced|psif|dess|mprage ?inv)\b"
    ),
    "map": (
        r"\b(?:maps?|mapping|molli|mapit|cest|apt\w*|mtc?|mtr|mt ?(?:on|off))\b|\bt1 ?rho\b"
        r"|\b(?:csi|mrs|svs|press|spectro\w*)\b"
    ),
    "other inversion": r"\binv ?-?[12]\b|\b(?:dir|double[ -]?i(?:r|nversion))\b|\bstir\b",
    "computed": (
        r"\bsub(?:tract\w*|s|traktion)?\b(?![ -]?\d|-)|\b(?:mip|minip)\b"
        r"|\bdixon\w*[ -]*(?:f|fat|opp)\b|\bfat(?: ?only| ?image)?$"
        r"|\b(?:opp|out)(?:[ -]?of)?[ -]?phase\b|\bopp$"
    ),
    "body": (
        r"\b(?:oberbauch|abdomen|liver|leber|prostata?|rheuma|knee|knie|hip|pelvis|becken)\b"
        r"|\b(?:[ctl][ -]?)?spine\b|\b(?:cervical|thoracic|lumbar|lws|hws|bws|rachis)\b"
    ),
}
"""Words in descriptions, by the kind of series that they tell."""
_WORDS = re.compile("|".join(_WORDS_BY_KIND.values()))
_SETUP_WORDS = re.compile(
    r"\b(?:scout|survey|smartbrain|aahead\w*|shim\w*|asset|calibration|ref(?:erence)? ?scan)\b"
)
"""Words for scans that prepare others; a description that also names a sequence is none of them."""
_STRUCTURAL_WORDS = re.compile(r"t1|t2|flair|mprage|tirm|dark[ -]?fluid")
_SEQUENCE_NAMES = re.compile(
    r"\*?_?(?:ep|feepi|dwi|fm2d|swi|ci3d|tfi|me[23]d|fi3d|pc[a3]|3?d?b0map|b0rf|sa2rage|svs|fl3d\w*_t\d)",
    re.I,
)
"""Names of pulse sequences (Siemens, Philips, GE) for echo-planar, diffusion, field map, SWI, CISS,
TrueFISP, TOF, B1 map and spectroscopy.
"""


def is_reformat(series: Series) -> bool:
    """Check whether a series is a reformat, computed from another series on a rotated grid.

    Args:
        series: the series.

    Returns:
        True if ImageType (0008,0008) marks a reformat.
    """
    return bool(words(series.header, "ImageType") & REFORMAT_TYPES)


def rejection(series: Series) -> str:
    """Say why a series is no structural head volume.

    Args:
        series: the series.

    Returns:
        The evidence; empty if the series may be a structural volume.
    """
    header = series.header
    return (
        _by_type(header)
        or _by_physics(series)
        or _by_units(header)
        or _by_text(series.description)
        or _by_extent(series)
    )


def _by_type(header: Dataset) -> str:
    types = words(header, "ImageType")
    computed = types & (REFORMAT_TYPES | {UNIFORM})
    wrong = (types & _TYPES) - (_ALLOWED_IF_COMPUTED if computed else set())
    if wrong:
        return f"ImageType (0008,0008) contains {', '.join(sorted(wrong))}"
    component = words(header, "ComplexImageComponent") - {"MAGNITUDE"}
    if component:
        return f"ComplexImageComponent (0008,9208) is {', '.join(component)}"
    contrast = words(header, "AcquisitionContrast") & _CONTRASTS
    return f"AcquisitionContrast (0008,9209) is {', '.join(contrast)}" if contrast else ""


def _by_physics(series: Series) -> str:
    header = series.header
    content = series.content
    echo_planar = "EP" in words(header, "ScanningSequence") or _epi_factor(header) > 1
    if echo_planar or content.b_value > 0:
        return (
            "echo-planar (ScanningSequence, 0018,0020) or diffusion-weighted (DiffusionBValue, "
            "0018,9087)"
        )
    for keyword, tag in (("SequenceName", "0018,0024"), ("PulseSequenceName", "0018,9005")):
        name = str(header.get(keyword) or "")
        if _SEQUENCE_NAMES.match(name):
            return f"{keyword} ({tag}) is {name}"
    if header.get("AngioFlag") == "Y":
        return "AngioFlag (0018,0025) is Y"
    prepared = number(header, "InversionTime") or "MP" in words(header, "SequenceVariant")
    gradient = "GR" in words(header, "ScanningSequence") and not prepared
    if content.echoes > (1 if gradient else 2):
        return f"{content.echoes} echo times, as for field maps, T2* or T2 maps"
    if content.time_points > 2:
        return f"{content.time_points} stacks at one place, a dynamic series"
    te = number(header, "EchoTime")
    if te is not None and te < _SHORTEST_ECHO and (number(header, "RepetitionTime") or 0) > 0:
        return f"EchoTime (0018,0081) is {te:g} ms: a computed image, or an ultrashort echo"
    return ""


def _epi_factor(header: Dataset) -> float:
    """Return the EPI factor of Philips (2001,1013); 1 means no echo-planar readout."""
    try:
        return float(header.private_block(0x2001, "Philips Imaging DD 001")[0x13].value)
    except (KeyError, TypeError, ValueError):
        return 0.0


def _by_units(header: Dataset) -> str:
    units = words(header, "RescaleType", "Units") & _UNITS
    return f"the unit of the values is {', '.join(units)} (RescaleType, 0028,1054)" if units else ""


def _by_text(description: str) -> str:
    text = plain(description)
    setup = None if _STRUCTURAL_WORDS.search(text) else _SETUP_WORDS.search(text)
    word = _WORDS.search(text) or setup
    return f"the description contains '{word.group(0).strip()}'" if word else ""


def _by_extent(series: Series) -> str:
    part = str(series.header.get("BodyPartExamined") or "").upper()
    if _BODY_PARTS.search(part) and "HEAD" not in part and "BRAIN" not in part:
        return f"BodyPartExamined (0018,0015) is {part}"
    if len(series.instances) < MIN_SLICES:
        return f"{len(series.instances)} slices, fewer than {MIN_SLICES}"
    return ""
