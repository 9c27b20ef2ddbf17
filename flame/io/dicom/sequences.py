"""Recognises the MRI sequence of a series by ordered rules.

Times are in ms, as in DICOM. Acquisition parameters come before text: descriptions such as "T1 POST
GD FLAIR" occur on T1C, so the word alone does not make a series a FLAIR.
"""

import re
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from flame.core.imaging import Sequence
from flame.io.dicom.headers import Series, numbers

MIN_SLICES = 10
"""Series with fewer slices are rejected: localizers and scouts are not volumes."""
ABSTAIN_BELOW = 0.5
"""Score below which a series is refused as unclear."""
AGENT_ONLY = "T1C: contrast agent in the header"
"""Rule for a T1C that only ContrastBolusAgent (0018,0010) supports; the tag may be stale."""

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
_OF_REFORMATS = {"DERIVED", "SECONDARY", "MPR"}
"""Values of ImageType that a reformat may have although it is computed from another series."""
_REFORMAT_SCORE = 0.6
"""Highest score of a reformat: above ``ABSTAIN_BELOW``, so it is used without an original series.
"""
_REJECTED_WORDS = re.compile(
    r"(?<![a-z])(loc(alizer)?|scout|survey|dwi|dti|adc|trace|swi|perf(usion)?|dsc|dce|asl|"
    r"mra|tof|angio|sub(traction)?|mip|bold|fmri)(?![a-z])",
    re.I,
)
_CONTRAST_WORDS = re.compile(
    r"\+ ?c(?![a-z])|(?<![a-z])(gd|gad\w*|post(?![ _-]?(op|surg))|km|ce|contrast)(?![a-z])", re.I
)
_NO_CONTRAST_WORDS = re.compile(
    r"(?<![a-z])(pre|non|no|native?|w/?o|without|ohne|unenhanced|plain)(?![a-z])", re.I
)
_FLAIR_WORDS = re.compile(r"(?<![a-z])(flair|dark[ _-]?fluid|tirm)(?![a-z])", re.I)


@dataclass(frozen=True)
class Verdict:
    """The recognised sequence of a series.

    Args:
        sequence: the sequence; None where the series is rejected or unclear.
        rule: name of the rule that applied.
        evidence: values and words that the rule used.
        score: how certain the rule is, from 0 to 1.
    """

    sequence: Sequence | None
    rule: str
    evidence: str
    score: float


def is_reformat(series: Series) -> bool:
    """Return whether a series was computed from another one on a rotated grid.

    Args:
        series: the series.
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

    Rejected: derived images other than reformats, diffusion, perfusion, angiography, and stacks of
    fewer than ``MIN_SLICES``. Then the first rule that holds decides (TR, TE and TI in ms):

    * FLAIR: TR > 4000 and 1600 <= TI <= 3000; or TR > 4000, TE > 60, no TI and a name for FLAIR.
    * T2: TR > 2000, TE > 60 and no inversion.
    * T1: TE < 30, and TR < 1000, or a gradient echo with 700 <= TI <= 1200, or TR < 3000 with 500
      <= TI < 1200. A T1 is a T1C where its description names contrast, or where the header names an
      agent and the description does not deny it.
    * Without TR and TE the description decides, where it names one sequence.

    Args:
        series: the series.

    Returns:
        The verdict; its ``sequence`` is None where the series is rejected or unclear.
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
    tr, te, ti = (_number(header, k) for k in ("RepetitionTime", "EchoTime", "InversionTime"))
    shown = ", ".join(
        f"{n} {v:g} ms" for n, v in (("TR", tr), ("TE", te), ("TI", ti)) if v is not None
    )
    if tr is None and te is None:
        return _by_description(series)
    if (tr or 0) > 4000 and ti is not None and 1600 <= ti <= 3000:
        return Verdict(Sequence.FLAIR, "FLAIR: long TR and TI", shown, 1.0)
    if (tr or 0) > 4000 and (te or 0) > 60 and not ti and _FLAIR_WORDS.search(series.description):
        return Verdict(Sequence.FLAIR, "FLAIR: long TR, and TI missing", f"{shown}; named so", 0.6)
    if (
        (tr or 0) > 2000
        and (te or 0) > 60
        and not ti
        and "IR" not in _words(header, "ScanningSequence")
    ):
        return Verdict(Sequence.T2, "T2: long TR and TE, no inversion", shown, 0.9)
    if _is_t1(header, tr, te, ti):
        return _t1_or_t1c(series, shown)
    return Verdict(None, "no rule applies", shown or "no TR, TE or TI", 0.0)


def _rejection(series: Series) -> str:
    header = series.header
    allowed = _OF_REFORMATS if is_reformat(series) else set()
    types = (_words(header, "ImageType") & _REJECTED_TYPES) - allowed
    if types:
        return f"image type {', '.join(sorted(types))}"
    b_value = _number(header, "DiffusionBValue") or 0  # some scanners write 0 into every series
    if "EP" in _words(header, "ScanningSequence") or b_value > 0:
        return "echo-planar or diffusion"
    word = _REJECTED_WORDS.search(series.description)
    if word:
        return f"description says '{word.group(0).strip()}'"
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


def _t1_or_t1c(series: Series, shown: str) -> Verdict:
    agent = str(series.header.get("ContrastBolusAgent") or "").strip()
    has_agent = agent.lower() not in ("", "none", "no", "n/a")
    word = _CONTRAST_WORDS.search(series.description)
    denied = _NO_CONTRAST_WORDS.search(series.description)
    if denied:
        found = f"{shown}; description says '{denied.group(0).strip()}'"
        return Verdict(Sequence.T1, "T1: before contrast", found, 0.7 if has_agent else 0.9)
    if word:
        found = f"{shown}; description says '{word.group(0).strip()}'"
        return Verdict(Sequence.T1C, "T1C: T1 with contrast", found, 1.0 if has_agent else 0.8)
    if has_agent:
        found = f"{shown}; contrast agent in the header only"
        return Verdict(Sequence.T1C, AGENT_ONLY, found, 0.7)
    return Verdict(Sequence.T1, "T1: short TR and TE or prepared gradient echo", shown, 0.9)


def _by_description(series: Series) -> Verdict:
    text = series.description.lower()
    found = [
        sequence
        for sequence, word in (
            (Sequence.FLAIR, "flair"),
            (Sequence.T2, "t2"),
            (Sequence.T1, "t1"),
        )
        if word in text
    ]
    if len(found) != 1:
        return Verdict(None, "no TR and TE, unclear description", f"'{series.description}'", 0.0)
    sequence = found[0]
    contrast = _CONTRAST_WORDS.search(text) and not _NO_CONTRAST_WORDS.search(text)
    if sequence is Sequence.T1 and contrast:
        sequence = Sequence.T1C
    return Verdict(sequence, "description only", f"'{series.description}'", 0.5)
