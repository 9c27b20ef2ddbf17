"""Recognises the MRI sequence of a series by ordered rules.

Times are in ms, as in DICOM. Acquisition parameters come before text, because the word FLAIR alone
does not make a series a FLAIR: a T1C may have the description "T1 POST GD FLAIR".
"""

import re
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from flame.core.imaging import Sequence
from flame.io.dicom.headers import Series, numbers

MIN_SLICES = 10
"""Series with fewer slices are rejected, as localizers and scouts are no volumes."""
ABSTAIN_BELOW = 0.5
"""Score below which a series is refused as unclear."""
AGENT_ONLY = "T1C: contrast agent in the header"
"""Name of the rule for a T1C by ContrastBolusAgent (0018,0010) alone, which may be stale."""

_REJECTED_TYPES = {
    "LOCALIZER",
    "DERIVED",
    "SECONDARY",
    "PROJECTION IMAGE",
    "MPR",
    "MIP",
    "MIN IP",
    "MAX IP",
    "MINIP",
    "ADC",
    "DIFFUSION",
    "PERFUSION",
    "SWI",
    "SUBTRACTION",
    "PHASE",
    "P",
}
"""Values of ImageType (0008,0008) that mark images which are not structural originals."""
_REFORMAT_TYPES = {"MPR", "REFORMATTED"}
"""Values of ImageType that mark a reformat."""
_ALLOWED_IN_REFORMATS = {"DERIVED", "SECONDARY", "MPR"}
"""Values of ImageType that a reformat may have although it is computed from another series."""
_REFORMAT_SCORE = 0.6
"""Highest score of a reformat: above ``ABSTAIN_BELOW``, so it is used if no original exists."""
_REJECTED_WORDS = re.compile(
    r"(?<![a-z])(loc(alizer)?|scout|survey|dwi|dti|adc|trace|swi|perf(usion)?|dsc|dce|asl|"
    r"mra|tof|angio|sub(traction)?|mip|bold|fmri)(?![a-z])",
    re.I,
)
"""Words in descriptions of localizers, diffusion, perfusion, angiography and derived images."""
_CONTRAST_WORDS = re.compile(
    r"\+ ?c(?![a-z])|(?<![a-z])(gd|gad\w*|post(?![ _-]?(op|surg))|km|ce|contrast)(?![a-z])", re.I
)
"""Words for contrast, in English and German."""
_NO_CONTRAST_WORDS = re.compile(
    r"(?<![a-z])(pre|non|no|native?|w/?o|without|ohne|unenhanced|plain)(?![a-z])", re.I
)
"""Words that deny contrast, in English and German."""
_FLAIR_WORDS = re.compile(r"(?<![a-z])(flair|dark[ _-]?fluid|tirm)(?![a-z])", re.I)
"""Names of FLAIR by different vendors."""


@dataclass(frozen=True)
class Verdict:
    """The recognised sequence of a series.

    Args:
        sequence: the sequence; None if the series is rejected or unclear.
        rule: name of the rule that applied.
        evidence: values of attributes, and words of the description, that the rule used.
        score: certainty of the rule, from 0 to 1.
    """

    sequence: Sequence | None
    rule: str
    evidence: str
    score: float


def is_reformat(series: Series) -> bool:
    """Check whether a series is a reformat, computed from another series on a rotated grid.

    Args:
        series: the series.

    Returns:
        True if ImageType (0008,0008) marks a reformat.
    """
    return bool(_words(series.header, "ImageType") & _REFORMAT_TYPES)


def _number(header: Dataset, keyword: str) -> float | None:
    values = numbers(header, keyword)
    return values[0] if values else None


def _words(header: Dataset, keyword: str) -> set[str]:
    value = header.get(keyword)
    return {value} if isinstance(value, str) else set(value or ())


def classify(series: Series) -> Verdict:
    """Recognise the MRI sequence of a series.

    Derived images other than reformats, diffusion, perfusion, angiography, and stacks of fewer than
    ``MIN_SLICES`` slices are rejected. Then the first rule that applies decides (TR, TE and TI in
    ms):

    * FLAIR: TR > 4000 and 1600 <= TI <= 3000; or TR > 4000, TE > 60, no TI and a name for FLAIR.
    * T2: TR > 2000, TE > 60 and no inversion.
    * T1: TE < 30, and TR < 1000, or a gradient echo with 700 <= TI <= 1200, or TR < 3000 with 500
      <= TI < 1200. A T1 is a T1C if its description names contrast, or if ContrastBolusAgent names
      an agent and the description does not deny contrast.
    * Without TR and TE the description decides, if it names exactly one sequence.

    Args:
        series: the series.

    Returns:
        The verdict; its ``sequence`` is None if the series is rejected or unclear.
    """
    rejected = _rejection(series)
    if rejected:
        return Verdict(None, "rejected", rejected, 1.0)
    verdict = _by_rules(series)
    if verdict.sequence and is_reformat(series):
        evidence = f"{verdict.evidence}; a reformat of another series"
        score = min(verdict.score, _REFORMAT_SCORE)
        return replace(verdict, evidence=evidence, score=score)
    return verdict


def _by_rules(series: Series) -> Verdict:
    header = series.header
    tr = _number(header, "RepetitionTime")
    te = _number(header, "EchoTime")
    ti = _number(header, "InversionTime")
    timing = ", ".join(
        f"{n} {v:g} ms" for n, v in (("TR", tr), ("TE", te), ("TI", ti)) if v is not None
    )
    if tr is None and te is None:
        return _by_description(series)
    if (tr or 0) > 4000 and ti is not None and 1600 <= ti <= 3000:
        return Verdict(Sequence.FLAIR, "FLAIR: long TR and TI", timing, 1.0)
    if (tr or 0) > 4000 and (te or 0) > 60 and not ti and _FLAIR_WORDS.search(series.description):
        evidence = f"{timing}; the description names FLAIR"
        return Verdict(Sequence.FLAIR, "FLAIR: long TR, and TI missing", evidence, 0.6)
    if (
        (tr or 0) > 2000
        and (te or 0) > 60
        and not ti
        and "IR" not in _words(header, "ScanningSequence")
    ):
        return Verdict(Sequence.T2, "T2: long TR and TE, no inversion", timing, 0.9)
    if _is_t1(header, tr, te, ti):
        return _t1_or_t1c(series, timing)
    return Verdict(None, "no rule applies", timing or "no TR, TE or TI", 0.0)


def _rejection(series: Series) -> str:
    """Return why a series is no structural volume; empty if it may be one."""
    header = series.header
    allowed = _ALLOWED_IN_REFORMATS if is_reformat(series) else set()
    types = (_words(header, "ImageType") & _REJECTED_TYPES) - allowed
    if types:
        return f"ImageType (0008,0008) contains {', '.join(sorted(types))}"
    b_value = _number(header, "DiffusionBValue") or 0  # some scanners write 0 into every series
    if "EP" in _words(header, "ScanningSequence") or b_value > 0:
        return (
            "echo-planar (ScanningSequence, 0018,0020) or diffusion-weighted (DiffusionBValue, "
            "0018,9087)"
        )
    word = _REJECTED_WORDS.search(series.description)
    if word:
        return f"the description contains '{word.group(0).strip()}'"
    if len(series.instances) < MIN_SLICES:
        return f"{len(series.instances)} slices, fewer than {MIN_SLICES}"
    return ""


def _is_t1(header: Dataset, tr: float | None, te: float | None, ti: float | None) -> bool:
    if te is None or te >= 30:
        return False
    short_tr = tr is not None and tr < 1000
    gradient_echo = "GR" in _words(header, "ScanningSequence")
    prepared = gradient_echo and ti is not None and 700 <= ti <= 1200
    t1_flair = tr is not None and tr < 3000 and ti is not None and 500 <= ti < 1200
    return short_tr or prepared or t1_flair


def _t1_or_t1c(series: Series, timing: str) -> Verdict:
    agent = str(series.header.get("ContrastBolusAgent") or "").strip()
    has_agent = agent.lower() not in ("", "none", "no", "n/a")
    word = _CONTRAST_WORDS.search(series.description)
    denied = _NO_CONTRAST_WORDS.search(series.description)
    if denied:
        evidence = f"{timing}; the description contains '{denied.group(0).strip()}'"
        return Verdict(Sequence.T1, "T1: before contrast", evidence, 0.7 if has_agent else 0.9)
    if word:
        evidence = f"{timing}; the description contains '{word.group(0).strip()}'"
        return Verdict(Sequence.T1C, "T1C: T1 with contrast", evidence, 1.0 if has_agent else 0.8)
    if has_agent:
        evidence = f"{timing}; contrast by ContrastBolusAgent (0018,0010) only"
        return Verdict(Sequence.T1C, AGENT_ONLY, evidence, 0.7)
    return Verdict(Sequence.T1, "T1: short TR and TE or prepared gradient echo", timing, 0.9)


def _by_description(series: Series) -> Verdict:
    text = series.description.lower()
    named = [
        sequence
        for sequence, word in (
            (Sequence.FLAIR, "flair"),
            (Sequence.T2, "t2"),
            (Sequence.T1, "t1"),
        )
        if word in text
    ]
    if len(named) != 1:
        return Verdict(None, "no TR and TE, unclear description", f"'{series.description}'", 0.0)
    sequence = named[0]
    contrast = _CONTRAST_WORDS.search(text) and not _NO_CONTRAST_WORDS.search(text)
    if sequence is Sequence.T1 and contrast:
        sequence = Sequence.T1C
    return Verdict(sequence, "description only", f"'{series.description}'", 0.5)
