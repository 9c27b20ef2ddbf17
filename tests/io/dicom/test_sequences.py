"""Timings from protocols in use; the traps are those listed in the field's reports.

``sequences.tsv`` holds real combinations of parameters from the sidecars of public repositories,
each with its source. What is right is the BIDS suffix that the curators of the source gave, but for
a T1 or T2 FLAIR, a reformat and a uniform image of MP2RAGE, which it does not tell apart; a T1
whose description names contrast is a T1C. All other suffixes are no structural head volume.
"""

import csv
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from flame.io.dicom.instances import Instance
from flame.io.dicom.sequences import classify
from flame.io.dicom.series import Series

MPRAGE = {"RepetitionTime": 2300, "EchoTime": 2.9, "InversionTime": 900, "ScanningSequence": "GR"}


def series(description: str = "", slices: int = 20, **tags: object) -> Series:
    header = Dataset()
    header.SeriesDescription, header.ImageType = description, ["ORIGINAL", "PRIMARY"]
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    return Series(tuple(Instance(None, header) for _ in range(slices)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        ("FLAIR", series("x", RepetitionTime=9000, EchoTime=120, InversionTime=2500)),
        (
            "FLAIR",
            series("t2 space dark fluid", RepetitionTime=5000, EchoTime=394, InversionTime=1650),
        ),
        ("T2", series("ax", RepetitionTime=4200, EchoTime=98)),
        ("T1", series("mprage", **MPRAGE)),
        ("T1", series("se t1", RepetitionTime=550, EchoTime=12)),
        ("T1", series("t1 flair", RepetitionTime=2000, EchoTime=10, InversionTime=860)),
        ("T1C", series("mprage +C", **MPRAGE)),
        ("T1C", series("mprage", ContrastBolusAgent="Gadovist", **MPRAGE)),
        ("T1C", series("T1 POST GD FLAIR", RepetitionTime=2000, EchoTime=10, InversionTime=860)),
        ("T1", series("mprage", ContrastBolusAgent="none", **MPRAGE)),
        ("T1", series("AX T1 PRE CONTRAST", **MPRAGE)),
        ("T1", series("T1 without contrast", **MPRAGE)),
        ("T1", series("t1 non-contrast", ContrastBolusAgent="stale", **MPRAGE)),
        ("T1", series("T1 post op", **MPRAGE)),
        ("FLAIR", series("AX FLAIR", RepetitionTime=9000, EchoTime=120)),
    ],
)
def test_rules(expected: str, given: Series) -> None:
    verdict = classify(given)
    assert verdict.sequence == expected
    assert verdict.score >= 0.5
    assert verdict.evidence


@pytest.mark.parametrize(
    ("given", "evidence"),
    [
        (series("mprage", slices=9, **MPRAGE), "9 slices"),
        (series("ep2d_DWI b1000", RepetitionTime=5000, EchoTime=90), "ep2d"),
        (series("localizer", **MPRAGE), "localizer"),
        (series("t1", ImageType=["DERIVED", "PRIMARY"], **MPRAGE), "DERIVED"),
        (series("TOF 3D", **MPRAGE), "tof"),
        (
            series("ep2d_b1000", ScanningSequence="EP", RepetitionTime=5000, EchoTime=90),
            "echo-planar",
        ),
    ],
)
def test_rejected(given: Series, evidence: str) -> None:
    verdict = classify(given)
    assert verdict.sequence is None
    assert evidence in verdict.evidence


def test_stir_and_unknown_timing_abstain() -> None:
    stir = classify(series("stir", RepetitionTime=4500, EchoTime=60, InversionTime=150))
    assert stir.sequence is None
    assert classify(series("brain")).sequence is None


def test_text_is_used_only_without_timing() -> None:
    assert classify(series("AX T2")).sequence == "T2"
    assert classify(series("AX T1 GD")).sequence == "T1C"
    assert classify(series("t1 t2 combined")).sequence is None


TABLE = Path(__file__).parent / "sequences.tsv"
ROWS = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
TEXTS = {"ImageType": "image_type", "ScanningSequence": "scanning_sequence"}
TEXTS |= {"SequenceVariant": "sequence_variant", "SequenceName": "sequence_name"}
NUMBERS = {"RepetitionTime": "tr_ms", "EchoTime": "te_ms", "InversionTime": "ti_ms"}
NUMBERS |= {"FlipAngle": "flip"}


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize("row", ROWS, ids=[f"{r['expected']}: {r['description']}" for r in ROWS])
def test_real_combinations(row: dict[str, str]) -> None:
    tags: dict[str, object] = {k: row[c].split("\\") for k, c in TEXTS.items() if row[c]}
    tags |= {k: float(row[c]) for k, c in NUMBERS.items() if row[c]}
    given = series(row["description"], **{"ImageType": None, **tags})
    assert str(classify(given).sequence or "none") == row["expected"], row["source"]
