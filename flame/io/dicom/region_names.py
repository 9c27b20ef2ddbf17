"""Decides which region of the brain a contour shows, by its name.

Reference:
    Mayo et al. 2018, doi:10.1016/j.prro.2018.05.001 (TG-263, names of structures).
"""

import re
from collections.abc import Mapping
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.registry import nearest
from flame.io.dicom.contrast import plain
from flame.io.tables import line_of, read_table
from flame.io.tumour_masks import CORE, WHOLE

CTV = "CTV"
"""Clinical target volume."""
PTV = "PTV"
"""Planning target volume."""
TARGETS = (CORE, WHOLE, CTV, PTV)
"""Regions that are irradiated; the gross tumour volume is the core of the tumour."""
_LEFT = "(l|lt|left|g|gauche|li|links)"
_RIGHT = "(r|rt|right|d|droit|re|rechts)"
_NERVE = r"(optic ?(nrv|nerve|n)|n(erf)?(\.)? ?opt(ique|ic|icus)?|no|on|sehnerv|nervus opticus)"
_HIPPOCAMPUS = "hippocamp(us|e|i)?"
_BRAIN = "(brain|cerveau|encephale|(ge)?hirn)"
_PATTERNS = {
    CORE: r"i?gtv[pn]?",
    CTV: r"ctv[pn]?",
    PTV: r"ptv[pn]?",
    "Brainstem": r"brain ?stem|tronc( cerebral)?|hirnstamm|tc",
    "OpticChiasm": r"(optic ?)?chiasm[ae]?( (optique|opticum|optic))?",
    "OpticNrvL": f"{_NERVE} ?{_LEFT}|{_LEFT} {_NERVE}",
    "OpticNrvR": f"{_NERVE} ?{_RIGHT}|{_RIGHT} {_NERVE}",
    "HippocampusL": f"{_HIPPOCAMPUS} ?{_LEFT}|{_LEFT} {_HIPPOCAMPUS}",
    "HippocampusR": f"{_HIPPOCAMPUS} ?{_RIGHT}|{_RIGHT} {_HIPPOCAMPUS}",
    "NormalBrain": rf"{_BRAIN} ?(-|minus|moins|sub|ohne|sans) ?(gtv|ctv|ptv)s?\w*|"
    "normal brain|cerveau sain|normales hirn",
    "Brain": f"(whole )?{_BRAIN}",
}
"""Patterns of names in small letters without accents; TG-263, common English, French and German.

The pattern of a target is the beginning of a name, those of organs are the whole name."""
_NO_TARGET = re.compile(
    r"[+~&]|-\s*0\d|-\s*(?!(?:t[12]|p|n|i|gado|flair|post|high|low|boost|gy)\b|\d)[a-z]|"
    r"\b(ring|anneau|shell|schale|saum|old\d*|ancien\w*|alt|vorher|backup|opti?m?\w*|avoid|moins|"
    r"minus|ohne|sub|hors|sans|exp\w*|marg\w*|tmp|temp|test|copie?s?|copy|kopie|not|eval\w*|dvh|"
    r"iso\w*|prv|help\w*|hilf\w*|aide|overlap|cm|mm|\d+ ?[cm]m|pre ?rt|pre ?op|ex|bis|crop\w*|"
    r"dos\w*)\b"
)
"""Words and signs of structures that are made from a target but are none; TG-263 writes a crop of 3
mm as -03."""
_OEDEMA = re.compile(r"flair|o?edem\w*|odem\w*|\bt2w?\b")
"""Words of a gross tumour volume that includes the oedema."""
NONE = "none"
"""Cell of a table of names that leaves a structure out."""
REGIONS = tuple(dict.fromkeys([*TARGETS, *_PATTERNS]))
"""All regions."""


def region_of(name: str, table: Mapping[str, str] | None = None) -> str | None:
    """Find the region that a structure shows.

    Args:
        name: ROIName (3006,0026) or SegmentLabel (0062,0005).
        table: region by name in the centre's own table, which goes first; see ``read_roi_names``.

    Returns:
        One of REGIONS; None for a structure that is not used.

    Example:
        >>> [region_of(n) for n in ("GTV_T1c", "Tronc cérébral", "GTV+2cm", "zRing")]
        ['core', 'Brainstem', None, None]
    """
    text = " ".join(plain(name).replace("^", " ").split())
    if table and text in table:
        found = table[text]
        return None if found == NONE else found
    if name.strip().lower().startswith(("z", "x", "_")):
        return None
    for region in (CORE, CTV, PTV):
        if re.match(rf"(?:{_PATTERNS[region]})(?![a-z])", text):
            if _NO_TARGET.search(text):
                return None
            return WHOLE if region == CORE and _OEDEMA.search(text) else region
    organs = (r for r in _PATTERNS if r not in TARGETS)
    return next((r for r in organs if re.fullmatch(_PATTERNS[r], text)), None)


def read_roi_names(path: Path | None) -> dict[str, str]:
    """Read the centre's table of structure names, with the columns ``name`` and ``region``.

    Args:
        path: the table; None: no table.

    Returns:
        Region by name, in small letters without accents; ``none`` leaves a structure out.

    Raises:
        BadInput: a column is missing, a name occurs twice, or a region is unknown.
    """
    if path is None:
        return {}
    names: dict[str, str] = {}
    choices = {r.lower(): r for r in (*REGIONS, NONE)} | {"gtv": CORE}
    for index, row in read_table(path, ("name", "region")).fillna("").iterrows():
        where = line_of(path, index)
        if not str(row["name"]).strip():
            raise BadInput(f"{where}: the name is empty, or a word for a missing value such as NA")
        text = " ".join(plain(str(row["name"])).replace("^", " ").split())
        region = str(row["region"]).strip()
        if text in names:
            raise BadInput(f"{where}: the name '{row['name']}' occurs twice; keep one of its lines")
        if region.lower() not in choices:
            hint = nearest(region, ["GTV", *REGIONS, NONE])
            raise BadInput(f"{where}: unknown region '{region}': {hint}")
        names[text] = choices[region.lower()]
    return names
