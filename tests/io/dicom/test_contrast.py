"""Words and attributes that say whether a contrast agent was given.

Descriptions are of the kinds that protocols of six languages use; what is right follows from their
meaning.
"""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from flame.io.dicom.contrast import agent_in_header, named_contrast

GIVEN = """\
AX T1 +C
T1 C+
T1 POST
AX T1 POST GD
Ax T1 Post Contrast
T1_MPRAGE_GD
t1_mpr_sag_KM
T1 mit KM
T1 m. KM
T1 nach KM
T1 n. KM
T1+KM
mpr tra Gado
T1 GADO
3D T1 INJECTÉ
T1 APRES INJECTION
T1 AXIAL APRÈS GADO
EG T1 AVEC INJECTION
T1 IV+
AX T1 CON CONTRASTE
T1 CON CIV
T1 tras contraste
T1 CON MDC
T1 dopo mdc
T1 post mdc
T1 met contrast
T1 na Gd
T1 NA CONTRAST
T1 TRA KONTRAST
T1CE
T1GD
T1C
AX T1 W CONTRAST
SAG T1 W/ GAD
T1 W/C
AX 3D BRAVO +GAD
postcontrast T1
T1 POSTGAD
T1 enhanced
T1W_TSE_GD
POST AX T1 FS
T1 AX NO FS POST
T1 +Gd POST OP
""".splitlines()
DENIED = """\
AX T1 PRE
T1 PRE CONTRAST
T1 PRECONTRAST
T1 preGad
T1 WITHOUT CONTRAST
T1 W/O
T1 WO CONTRAST
T1 W/O GAD
T1 NON CONTRAST
t1 non-contrast
T1 noncontrast
NO CONTRAST T1
T1 UNENHANCED
T1 NATIV
t1 native
T1 ohne KM
T1 o. KM
T1 vor KM
T1 SANS INJECTION
T1 SANS GADO
T1 AVANT INJECTION
T1 AVANT
T1 SIN CONTRASTE
T1 SIN
T1 antes de contraste
T1 SENZA MDC
T1 prima mdc
T1 zonder contrast
T1 voor contrast
T1 blanco
T1 C-
T1 plain
T1 PRE GD FS
""".splitlines()
SILENT = """\
AX T1
T1 POST RT
T1 POST OP
T1 postop
T1 POST-OP
T1 POST BIOPSY
T1 post treatment
T1 POST SURGERY
T1 POST CHEMO
T1 post radiation
T1 NO FS
T1 NON FS
T1 PRE OP
T1 PRE-OP NAV
T1 PRE RT
MRI BRAIN W WO CONTRAST T1
T1 PRE AND POST GD
T1 POST FOSSA
T1 TSE COR
T1 WITHOUT FATSAT
T1 MPRAGE ISO
""".splitlines()


@pytest.mark.parametrize(
    ("description", "expected"),
    [(d, True) for d in GIVEN] + [(d, False) for d in DENIED] + [(d, None) for d in SILENT],
)
def test_words(description: str, expected: bool | None) -> None:
    assert named_contrast(description)[0] is expected


NO_AGENT = """\
NO CONTRAST
No contrast agent
without
W/O
None given
NONE.
-
0
0.0
NA
N/A
unknown
N
No Gd
NOT GIVEN
no iv contrast
UNENHANCED
nil
ohne KM
NaN
.
FALSE
sans
keine
sin contraste
senza
geen
aucun
null
--
""".splitlines()


@pytest.mark.parametrize("text", NO_AGENT)
def test_texts_without_an_agent(text: str) -> None:
    header = Dataset()
    header.ContrastBolusAgent = text
    assert not agent_in_header(header)


@pytest.mark.parametrize(
    "text", ["DOTAREM", "10 cc Gadavist IV", "Gadovist 1.0", "7,5ml Gd", "YES", "Applied", "MULTI"]
)
def test_texts_with_an_agent(text: str) -> None:
    header = Dataset()
    header.ContrastBolusAgent = text
    assert agent_in_header(header)


def coded(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodeMeaning = value, meaning
    header = Dataset()
    header.ContrastBolusAgentSequence = Items([code])
    return header


def test_codes_doses_and_use() -> None:
    assert agent_in_header(coded("C-17800", "Gadolinium"))
    assert not agent_in_header(coded("R-40775", "None"))
    assert not agent_in_header(coded("260413007", "Keines"))
    unused = coded("C-17800", "Gadolinium")
    unused.ContrastBolusAgentAdministered = "NO"
    assert not agent_in_header(unused)
    volume = Dataset()
    volume.ContrastBolusVolume = 7.5
    assert agent_in_header(volume)
    assert not agent_in_header(Dataset())
