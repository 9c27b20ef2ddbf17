"""Recognises the MRI sequence of a series by ordered rules.

Times are in ms, as in DICOM. Acquisition parameters come before text, because the word FLAIR alone
does not make a series a FLAIR: a T1C may have the description "T1 POST GD FLAIR". A rule needs
evidence for its sequence. Where parameters and text leave it open, the series is refused as
unclear.
"""

import math
import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from flame.core.imaging import Sequence
from flame.io.dicom.contrast import agent_in_header, named_contrast, plain
from flame.io.dicom.instances import number, numbers, words
from flame.io.dicom.not_structural import UNIFORM, is_reformat, rejection
from flame.io.dicom.series import Series

ABSTAIN_BELOW = 0.5
"""Score below which a series is refused as unclear."""
AGENT_ONLY = "T1C: contrast agent in the header"
"""Name of the rule for a T1C by ContrastBolusAgent (0018,0010) alone, which may be stale."""
_REFORMAT_SCORE = 0.6
"""Highest score of a reformat: above ``ABSTAIN_BELOW``, so it is used if no original exists."""
_GREY_MATTER_T1 = 1300.0
"""T1 of grey matter at 3 T in ms (Wansapura 1999)."""
_LONGEST_T1_ECHO = 30.0
"""Longest echo time of a T1-weighted spin echo, in ms."""
_EXCITATION = 60.0
"""Least flip angle of a spin echo, in degrees."""
_LONGEST_PREPARED_ECHO = 60.0
"""Longest effective echo time of a T1-weighted inversion recovery with an echo train, in ms."""
_LONGEST_GRADIENT_ECHO = 12.0
"""Longest echo time of a T1-weighted gradient echo, in ms; longer ones are T2*-weighted."""
_FLAIR_WORDS = re.compile(r"\b(?:flair\w*|dark[ -]?fluid|tirm)\b")
"""Names of FLAIR by different vendors."""
_T1_WORDS = re.compile(r"(?<![a-z])t1|mprage|mp-?rage|bravo|spgr|flash|vibe|tfe\b|\btfl|mp2rage")
_T2_WORDS = re.compile(
    r"(?<![a-z])t2|\btse\b|\bfse\b|frfse|space|cube|vista|blade|propeller|multivane"
)
_PD_WORDS = re.compile(r"\bpd\w?\b|proton|\bdensity\b")


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


class _Scan(NamedTuple):
    """What the rules look at: times in ms, flip angle in degrees, and words."""

    tr: float | None
    te: float | None
    ti: tuple[float, ...]
    flip: float | None
    scanning: set[str]
    variant: set[str]
    types: set[str]
    text: str


def classify(series: Series) -> Verdict:
    """Recognise the MRI sequence of a series.

    Series that are no structural head volume are rejected, see ``rejection``. Then the first rule
    that applies decides (TR, TE and TI in ms):

    * FLAIR: TR >= 4000, TE >= 60 and one TI from 1400 to 3000; without TI a name for FLAIR.
    * T2: TR >= 2000, TE >= 60 and no inversion, spin echo; without ScanningSequence at a lower
      score, and for a research mode (RM) only if the description names a T2.
    * T1: TE < 30 and one of: TI from 500 to 1250 and TR < 3600; a spin echo with TR <= 1300; a
      gradient echo with TE <= 12 and a flip angle of at least the Ernst angle of grey matter;
      the uniform image of MP2RAGE. A T1 is a T1C if its description names contrast, or if the
      header names an agent and the description does not deny contrast.
    * Without TR and TE the description decides, if it names exactly one sequence.

    Args:
        series: the series.

    Returns:
        The verdict; its ``sequence`` is None if the series is rejected or unclear.
    """
    rejected = rejection(series)
    if rejected:
        return Verdict(None, "rejected", rejected, 1.0)
    verdict = _by_rules(series)
    if verdict.sequence and is_reformat(series):
        evidence = f"{verdict.evidence}; a reformat of another series"
        score = min(verdict.score, _REFORMAT_SCORE)
        return replace(verdict, evidence=evidence, score=score)
    return verdict


def _scan(series: Series) -> _Scan:
    header = series.header
    return _Scan(
        number(header, "RepetitionTime"),
        number(header, "EchoTime"),
        tuple(t for t in numbers(header, "InversionTime") if t > 0),
        number(header, "FlipAngle"),
        words(header, "ScanningSequence"),
        words(header, "SequenceVariant"),
        words(header, "ImageType"),
        plain(f"{series.description} {header.get('SequenceName') or ''}"),
    )


def _by_rules(series: Series) -> Verdict:
    scan = _scan(series)
    times = (("TR", scan.tr), ("TE", scan.te), *(("TI", t) for t in scan.ti))
    timing = ", ".join(f"{name} {value:g} ms" for name, value in times if value is not None)
    if scan.tr is None and scan.te is None:
        return _by_description(series, scan)
    score, evidence = _flair(scan)
    if score:
        return Verdict(Sequence.FLAIR, "FLAIR: long TR, TE and TI", timing + evidence, score)
    score = _t2(scan)
    if score:
        return Verdict(Sequence.T2, "T2: long TR and TE, no inversion", timing, score)
    score = _t1(scan)
    if score:
        return _t1_or_t1c(series, timing, score)
    return Verdict(None, "no rule applies", timing or "no TR, TE or TI", 0.0)


def _flair(scan: _Scan) -> tuple[float, str]:
    """Return the score of a FLAIR, and what else than times it rests on."""
    named = bool(_FLAIR_WORDS.search(scan.text))
    if (scan.tr or 0) < 4000 or (scan.te or 0) < 60 or "GR" in scan.scanning:
        return 0.0, ""
    if len(scan.ti) == 1 and 1400 <= scan.ti[0] <= 3000:
        return (1.0 if named or scan.ti[0] >= 1600 else 0.8), ""
    return (0.6 if named and not scan.ti else 0.0), "; the description names FLAIR"


def _t2(scan: _Scan) -> float:
    tr = scan.tr or 0
    te = scan.te or 0
    named = bool(_T2_WORDS.search(scan.text)) and not _PD_WORDS.search(scan.text)
    typical = tr >= 2000 and te >= 60
    if scan.ti or scan.scanning & {"IR", "GR"}:
        return 0.0
    if not typical:  # some protocols are short, and say what they are
        return 0.7 if named and ((tr >= 2000 and te >= 45) or (tr >= 1400 and te >= 80)) else 0.0
    if "SE" in scan.scanning:
        return 0.9
    if scan.scanning:  # a research mode alone is evidence of nothing
        return 0.7 if named else 0.0
    return 0.8 if named else 0.6


def _t1(scan: _Scan) -> float:
    if UNIFORM in scan.types:
        return 0.9
    if not scan.te or _PD_WORDS.search(scan.text):
        return 0.0
    if scan.te >= _LONGEST_T1_ECHO:
        return _prepared_t1_with_long_echo(scan)
    tr = scan.tr
    named = bool(_T1_WORDS.search(scan.text))
    if len(scan.ti) == 1 and 500 <= scan.ti[0] <= 1250:
        return 0.9 if tr is None or tr < 3600 or "GR" in scan.scanning else 0.0
    if scan.ti and max(scan.ti) > 1250:  # nulls fluid; T1-weighted by its short echo time
        return 0.7 if "IR" in scan.scanning and named else 0.0
    if tr is None or len(scan.ti) > 1:
        return 0.0
    if scan.ti and "GR" in scan.scanning and scan.te <= _LONGEST_GRADIENT_ECHO:
        return 0.8
    if not scan.scanning and tr > 1300:
        return 0.6 if named and scan.te <= _LONGEST_GRADIENT_ECHO else 0.0
    if scan.scanning == {"RM"} and not named:  # a research mode is evidence of nothing
        return 0.0
    spin = not scan.scanning and tr >= 200 and (scan.flip or 90) >= _EXCITATION
    if "SE" in scan.scanning or spin:
        return (0.9 if tr < 1000 else 0.8) if tr <= 1300 else 0.0
    return _gradient_echo_t1(scan, tr, scan.te)


def _prepared_t1_with_long_echo(scan: _Scan) -> float:
    """Return the score of a T1 FLAIR whose echo train makes its effective echo time long."""
    prepared = len(scan.ti) == 1 and 500 <= scan.ti[0] <= 1250 and "GR" not in scan.scanning
    named = bool(_T1_WORDS.search(scan.text))
    return 0.6 if prepared and named and (scan.te or 0) < _LONGEST_PREPARED_ECHO else 0.0


def _gradient_echo_t1(scan: _Scan, tr: float, te: float) -> float:
    """Return the score of a T1 by a gradient echo without a usable inversion time.

    Its signal is T1-weighted where the flip angle is above the Ernst angle acos(exp(-TR / T1)), and
    proton-density-weighted below it. Steady states without spoiling are neither.
    """
    named = bool(_T1_WORDS.search(scan.text))
    unspoiled = "SS" in scan.variant and not scan.variant & {"SP", "MP"}
    if te > _LONGEST_GRADIENT_ECHO or (unspoiled and not named):
        return 0.0
    if "MP" in scan.variant or tr >= 1000:
        return 0.7 if named or "MP" in scan.variant else 0.0
    if scan.flip is None:
        return 0.8 if named else 0.6
    ernst = math.degrees(math.acos(math.exp(-tr / _GREY_MATTER_T1)))
    return 0.9 if scan.flip >= ernst else 0.0


def _t1_or_t1c(series: Series, timing: str, score: float) -> Verdict:
    has_agent = agent_in_header(series.header)
    named, word = named_contrast(series.description)
    evidence = f"{timing}; the description contains '{word}'"
    if named is False:
        return Verdict(Sequence.T1, "T1: before contrast", evidence, 0.7 if has_agent else score)
    if named:
        with_agent = score if has_agent else min(score, 0.8)
        return Verdict(Sequence.T1C, "T1C: T1 with contrast", evidence, with_agent)
    if has_agent:
        evidence = f"{timing}; contrast by ContrastBolusAgent (0018,0010) only"
        return Verdict(Sequence.T1C, AGENT_ONLY, evidence, min(score, 0.7))
    return Verdict(Sequence.T1, "T1: short TR and TE or prepared gradient echo", timing, score)


def _by_description(series: Series, scan: _Scan) -> Verdict:
    sequences = (
        (Sequence.FLAIR, _FLAIR_WORDS),
        (Sequence.T2, r"(?<![a-z])t2"),
        (Sequence.T1, _T1_WORDS),
    )
    named = [sequence for sequence, word in sequences if re.search(word, scan.text)]
    if len(named) != 1:
        return Verdict(None, "no TR and TE, unclear description", f"'{series.description}'", 0.0)
    sequence = named[0]
    if sequence is Sequence.T1 and named_contrast(series.description)[0]:
        sequence = Sequence.T1C
    return Verdict(sequence, "description only", f"'{series.description}'", 0.5)
