"""Names of structures as clinics write them, and the region that each means."""

from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.io.dicom.region_names import read_roi_names, region_of


@pytest.mark.parametrize(
    ("region", "names"),
    [
        (
            "core",
            ["GTV", "gtv1", "GTVp", "GTV_T1c", "GTV boost", "iGTV", "GTVp_6000", "GTV T1 gado"],
        ),
        ("core", ["GTV-1", "GTV-T1", "GTV_postop"]),
        ("PTV", ["PTV-60", "PTV-60Gy"]),
        ("whole", ["GTV_Ödem", "GTV_T2w", "GTV_FLAIR", "GTV oedème", "GTV T2"]),
        ("CTV", ["CTV", "CTV_High", "CTV1 54Gy", "ctv 60"]),
        ("PTV", ["PTV", "PTV_6000", "PTVp", "PTV60 Gy"]),
        ("Brainstem", ["Brainstem", "BrainStem", "Brain Stem", "Tronc cérébral", "TC", "tronc"]),
        (
            "OpticChiasm",
            ["Chiasma opticum", "Chiasme", "OpticChiasm", "Chiasma", "chiasm", "Optic Chiasm"],
        ),
        (
            "OpticNrvL",
            [
                "Sehnerv links",
                "Left Optic Nerve",
                "Lt Optic Nerve",
                "ON_L",
                "OpticNrv_L",
                "Nerf optique gauche",
                "NO G",
                "Optic nerve left",
            ],
        ),
        ("OpticNrvR", ["OpticNrv_R", "Nerf optique droit", "NO D", "N. opticus re"]),
        ("HippocampusL", ["Hippocampus_L", "hippocampe gauche", "Hippocampe G"]),
        ("HippocampusR", ["Hippocampus rechts", "Hippocampus_R", "hippocampe droit"]),
        (
            "NormalBrain",
            ["Brain-CTV", "Brain-PTV", "cerveau - PTV", "Normal Brain", "Cerveau sain"],
        ),
        ("Brain", ["Hirn", "Brain", "Encéphale", "cerveau", "Whole Brain"]),
        (
            None,
            [
                *("GTV+2cm", "GTV old", "GTV_ring", "Ring GTV", "zGTV", "GTV-05", "PTV-03", "GTV~"),
                *("GTV opt", "PTV_Optim", "GTV ancien", "CTV moins tronc", "GTV exp", "GTV 2cm"),
                *("Brainstem_PRV", "BODY", "Couch", "Brain~", "Hippocampus_L_PRV", "dose 95[%]"),
                *(
                    "GTV_alt",
                    "GTV_vorher",
                    "GTV_old2",
                    "GTV_backup",
                    "PTV_Hilf",
                    "PTV_Hilfsstruktur",
                ),
                *("PTV_Schale", "PTV_Saum", "PTV hors tronc", "PTV_sans_OAR", "PTV-tronc"),
                *("gtvolume", "brain metastasis", "GTV_copy", "xPTV", "_GTV", "Lens_L", ""),
            ],
        ),
    ],
)
def test_names_of_clinics(region: str | None, names: list[str]) -> None:
    assert {n: region_of(n) for n in names} == dict.fromkeys(names, region)


def test_the_table_of_the_centre_goes_first(tmp_path: Path) -> None:
    path = tmp_path / "roi_names.tsv"
    path.write_text("name\tregion\nTumeur_vue\tGTV\nGTV\tnone\nChias.\topticchiasm\n")
    table = read_roi_names(path)
    names = ["tumeur vue", "TUMEUR_VUE", "GTV", "chias.", "PTV"]
    assert [region_of(n, table) for n in names] == ["core", "core", None, "OpticChiasm", "PTV"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name\tregion\na\tGTVV\n", "line 2: unknown region 'GTVV': did you mean 'GTV'"),
        ("name\tregion\na\tGTV\nA\tnone\n", "line 3: the name 'A' occurs twice"),
        ("name\na\n", "region"),
        ("name\tregion\nNA\tGTV\n", "line 2: the name is empty"),
    ],
)
def test_a_wrong_table_names_the_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "roi_names.tsv"
    path.write_text(text)
    with pytest.raises(BadInput, match=reason):
        read_roi_names(path)
