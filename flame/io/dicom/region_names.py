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
_LEFT = "(l|left|g|gauche|li)"
_RIGHT = "(r|right|d|droit|re)"
_NERVE = r"(optic ?(nrv|nerve|n)|n(erf)?(\.)? ?opt(ique|ic)?(us)?|no)"
_HIPPOCAMPUS = "hippocamp(us|e|i)?"
_PATTERNS = {
    CORE: r"i?gtv[pn]?",
    CTV: r"ctv[pn]?",
    PTV: r"ptv[pn]?",
    "Brainstem": r"brain ?stem|tronc( cerebral)?|hirnstamm|tc",
    "OpticChiasm": r"(optic ?)?chiasma?( optique)?|chiasm optic",
    "OpticNrvL": f"{_NERVE} ?{_LEFT}",
    "OpticNrvR": f"{_NERVE} ?{_RIGHT}",
    "HippocampusL": f"{_HIPPOCAMPUS} ?{_LEFT}",
    "HippocampusR": f"{_HIPPOCAMPUS} ?{_RIGHT}",
    "NormalBrain": r"(brain|cerveau|encephale) ?(-|minus|moins|sub) ?(gtv|ctv|ptv)s?\w*|"
    "normal brain|cerveau sain",
    "Brain": r"brain|whole brain|cerveau|encephale|gehirn",
}
"""Patterns of names in small letters without accents; TG-263, common English, French and German.

The pattern of a target is the beginning of a name, those of organs are the whole name."""
_NO_TARGET = re.compile(
    r"[+~&]|-|\b(ring|anneau|shell|old|ancien\w*|opti?m?\w*|avoid|moins|minus|sub|exp\w*|"
    r"marg\w*|tmp|temp|test|copie?s?|copy|not|eval\w*|dvh|iso\w*|prv|help\w*|aide|cm|mm|\d+ ?[cm]m|"
    r"pre ?rt|post ?op|preop|ex|bis|crop\w*|dos\w*)\b"
)
"""Words and signs of structures that are made from a target but are none."""
_OEDEMA = re.compile(r"flair|oedem\w*|edem\w*|\bt2\b")
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
        text = " ".join(plain(str(row["name"])).replace("^", " ").split())
        region = str(row["region"]).strip()
        if text in names:
            raise BadInput(f"{where}: the name '{row['name']}' occurs twice; keep one of its lines")
        if region.lower() not in choices:
            hint = nearest(region, ["GTV", *REGIONS, NONE])
            raise BadInput(f"{where}: unknown region '{region}': {hint}")
        names[text] = choices[region.lower()]
    return names
