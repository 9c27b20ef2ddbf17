"""Tells whether a series was acquired with a contrast agent: by its description and its header.

Descriptions are in English, French, German, Spanish, Italian or Dutch.
"""

import re
import unicodedata

from pydicom.dataset import Dataset

from flame.io.dicom.instances import number

_AGENT = (
    r"(?:gd|gad\w*|km|kontrast\w*|contr?(?:ast\w*)?|mdc|mdk|pdc|civ|iv|ce|inj\w*|enhanc\w*|"
    r"dotarem|prohance|magnevist|multihance|omniscan|clariscan|vueway|elucirem|c)"
)
_TREATMENT = (
    r"(?:op|rt|xrt|crt|gk|gamma|surg|biops|treat|tx|ther|chemo|chimio|rad|irrad|resec|trauma|"
    r"proc|fossa|sat|scan|implant|ictal|chir)"
)
_FILLER = r"[ ._-]*(?:(?:iv|i\.v\.|de|del|di|la|l'|injection|administration|any) ?)*"
_BOTH = re.compile(
    r"\b(?:w|with|mit|avec|con)\b[ /&+]*(?:and|et|und|y|e|en)?[ /&+]*(?:w/?o|without)\b"
)
"""Names of a whole examination with and without contrast, which say nothing of one series."""
_WITHOUT = re.compile(
    rf"\b(?:no|non|not|none|without|w/?o|sans|ohne|sin|senza|zonder|kein|s/|o\.){_FILLER}{_AGENT}\b"
    rf"|\b(?:avant|vor|voor|antes|prima|before)\b{_FILLER}(?:{_AGENT}\b)?"
    r"|\b(?:unenhanced|nonenhanced|noncontrast|plain|nativ\w*|blanco|basal)\b"
    r"|\b(?:w/?o|without|sans|ohne|sin|senza|zonder|non)[ .)]*$"
    rf"|\bpre(?:contr\w*|cont?|gd|gad\w*|km|inj\w*)?\b(?![ ._-]*{_TREATMENT})"
    rf"(?:{_FILLER}{_AGENT}\b)?"
    r"|\b(?:c|km|gd|mdc) ?-(?![a-z0-9])"
)
_WITH = re.compile(
    rf"\+ ?{_AGENT}\b|\b(?:c|km|gd|gad|mdc|iv|ce) ?\+"
    rf"|\b(?:with|w/?|mit|m\.|con|avec|met|c/|post|apres|after|nach|n\.|na|dopo|despues|tras)"
    rf"{_FILLER}{_AGENT}\b"
    r"|\b(?:gd|gad|gado\w*|gadavist|contrast\w*|kontrast\w*|km|mdc|ce|inject\w*|inj|enhanced)\b"
    r"|\bpost(?:contr\w*|cont?|gd|gad\w*|km|inj\w*)\b|\bt1w?[ -]?(?:c|ce|gd|gad\w*|km)\b"
    rf"|\b(?:post|apres)\b(?![ ._-]*{_TREATMENT})"
)
_NO_AGENT = re.compile(
    r"[\W0]*$|(?:no|non|none|not|n|na|n/a|nan|nil|null|false|unknown|unk|without|w/?o|unenhanced|"
    r"ohne|kein\w*|sans|aucun\w*|sin|ningun\w*|senza|nessun\w*|zonder|geen|plain|native?|pre)\b",
    re.I,
)
"""Texts of ContrastBolusAgent (0018,0010) that say that no agent was given."""
_NONE_CODES = {"R-40775", "260413007"}
"""Codes of SRT and SCT for "none"."""


def plain(text: str) -> str:
    """Return a description in small letters without accents, with spaces for underlines."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in decomposed if not unicodedata.combining(c)).replace("_", " ")


def named_contrast(description: str) -> tuple[bool | None, str]:
    """Read from a description whether an agent was given.

    Args:
        description: text such as SeriesDescription (0008,103E).

    Returns:
        True or False, and the words that say so; None and an empty text if no word does, or if
        words contradict each other.

    Example:
        >>> named_contrast("Ax T1 SANS INJECTION")
        (False, 'sans injection')
        >>> named_contrast("T1 POST BIOPSY")
        (None, '')
    """
    text = plain(description)
    if _BOTH.search(text):
        return None, ""
    denied = _WITHOUT.search(text)
    given = _WITH.search(_WITHOUT.sub(" ; ", text))
    if bool(denied) == bool(given):
        return None, ""
    match = denied or given
    assert match is not None
    return bool(given), match.group(0).strip()


def agent_in_header(header: Dataset) -> bool:
    """Return whether the attributes of the contrast agent say that one was given.

    Args:
        header: classic header, or that of a frame.

    Returns:
        False also if ContrastBolusAgentAdministered (0018,9342) is NO, and for texts and codes
        that mean none.
    """
    if header.get("ContrastBolusAgentAdministered") == "NO":
        return False
    text = str(header.get("ContrastBolusAgent") or "").strip()
    if text:
        return not _NO_AGENT.match(plain(text))
    items = header.get("ContrastBolusAgentSequence") or []
    if items:
        return any(_is_agent(item) for item in items)
    return (number(header, "ContrastBolusVolume") or 0) > 0


def _is_agent(item: Dataset) -> bool:
    meaning = plain(str(item.get("CodeMeaning") or "agent"))
    return item.get("CodeValue") not in _NONE_CODES and not _NO_AGENT.match(meaning)
