"""Preprocessed patients as rows: arrival, scanner and features, from folders by hand."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.streams.config import SitesConfig, StreamConfig
from flame.streams.nodes import site_table
from flame.streams.nodes.site_table import SiteTable
from flame.streams.sources.tables.config import TableConfig
from flame.streams.sources.tables.patients import ARRIVED, SCANNER, patient_rows
from tests.federation.test_image_engines import write_centre

DAY = 86_400.0
NOON = 1_704_110_400.0
"""2024-01-01 12:00 UTC."""


def cohort(folder: Path, patients: int = 3) -> Path:
    """Patient k arrives on day k; the first two are of scanner A."""
    write_centre(folder / "centre-a", patients, "photon")
    for path in (folder / "centre-a").glob("sub-*/ses-*/anat/*_desc-brain_mask.json"):
        number = int(path.name.split("_")[0].removeprefix("sub-a"))
        sidecar = json.loads(path.read_text())
        sidecar["Manufacturer"] = "AAB"[number]
        path.write_text(json.dumps(sidecar))
        os.utime(path, (NOON + number * DAY, NOON + number * DAY))
    return folder / "centre-a"


def test_a_patient_is_a_row_with_arrival_scanner_and_features(tmp_path: Path) -> None:
    """The tumour of patient k is a ball of 12 + k mm of voxels of 27 mm3 before treatment."""
    folder = cohort(tmp_path)
    rows = patient_rows(folder, ["mgmt", "core_ml", "T1C_core_mean"])
    assert rows[SCANNER].tolist() == ["A", "A", "B"]
    assert rows[ARRIVED].tolist() == [f"2024-01-0{k}T12:00:00+00:00" for k in (1, 2, 3)]
    assert rows.mgmt.tolist() == ["0", "1", "0"]
    volumes = [4 / 3 * np.pi * (12.0 + k) ** 3 / 1000 for k in range(3)]
    assert rows.core_ml.astype(float).to_numpy() == pytest.approx(np.array(volumes), rel=0.06)
    assert rows.T1C_core_mean.astype(float).to_numpy() == pytest.approx(np.full(3, 2.0), abs=0.2)


def test_patients_that_are_excluded_or_have_no_images_are_left_out(tmp_path: Path) -> None:
    folder = cohort(tmp_path)
    with (folder / "participants.tsv").open("a") as file:
        file.write("sub-b7\t1\n")
    (folder / "decisions.tsv").write_text(
        "participant_id\tsession_id\tdecision\tday\nsub-a1\t\texclude\t\n"
    )
    assert patient_rows(folder, [])["participant_id"].tolist() == ["sub-a0", "sub-a2"]
    (folder / "participants.tsv").unlink()
    with pytest.raises(BadInput, match="no finished cohort"):
        patient_rows(folder, [])


CONFIG = StreamConfig(
    table=TableConfig(
        outcome="mgmt",
        positive=("1",),
        features=("radiomics.volume",),
        time_columns=(ARRIVED,),
        device_column=SCANNER,
        subject_column="participant_id",
        start="2024-01-01",
        step=2.0,
        scale="node",
    ),
    sites=SitesConfig(names=("x", "y"), steps=3),
)


def test_a_folder_that_grows_is_a_stream(tmp_path: Path) -> None:
    folder = cohort(tmp_path)
    table = SiteTable(CONFIG, folder, patients="participant_id")
    assert table.batch(0).exists.sum() == 2
    assert table.arrived(0).subject.tolist() == ["sub-a0", "sub-a1"]
    assert table.arrived(1).device.tolist() == ["B"]
    late = json.dumps({"Day": -10, "InputHash": "again"})
    for path in folder.glob("sub-a0/ses-01/anat/*_desc-brain_mask.json"):
        path.write_text(late)  # preprocessed again: the same patient, not a new one
    assert not table.batch(2).exists.any()


def test_families_of_features_are_named_in_a_configuration() -> None:
    assert CONFIG.table.raw == ["core_ml", "whole_ml", "enhancing_ml"]
    with pytest.raises(BadInput, match="unknown features 'radiomics.colour'"):
        _ = replace(CONFIG.table, features=("radiomics.colour",)).raw


def test_a_folder_that_is_being_renewed_is_waited_for(tmp_path: Path) -> None:
    """Preprocessing ends three looks of a minute after the step; a run without end is not."""
    folder = cohort(tmp_path)
    kept = (folder / "participants.tsv").read_text()
    (folder / "participants.tsv").unlink()
    now = [NOON + 30 * DAY]

    def wait(seconds: float) -> None:
        now[0] += seconds
        if now[0] >= NOON + 30 * DAY + 180:
            (folder / "participants.tsv").write_text(kept)

    followed = replace(CONFIG, sites=replace(CONFIG.sites, follow=True))
    table = SiteTable(followed, folder, clock=lambda: now[0], wait=wait)
    assert table.batch(0).exists.sum() == 2
    assert now[0] == NOON + 30 * DAY + 180


def test_a_folder_that_begins_to_be_renewed_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cohort(tmp_path)
    kept = (folder / "participants.tsv").read_text()
    whole, calls = site_table.read_rows, []

    def renewed(config: TableConfig, seed: int) -> pd.DataFrame:
        calls.append(1)
        if len(calls) == 1:
            (folder / "participants.tsv").unlink()
        return whole(config, seed)

    def wait(seconds: float) -> None:
        (folder / "participants.tsv").write_text(kept)

    monkeypatch.setattr(site_table, "read_rows", renewed)
    followed = replace(CONFIG, sites=replace(CONFIG.sites, follow=True))
    table = SiteTable(followed, folder, clock=lambda: NOON + 30 * DAY, wait=wait)
    assert table.batch(0).exists.sum() == 2
    assert len(calls) == 2


def test_a_folder_that_is_never_finished_is_an_error_in_the_end(tmp_path: Path) -> None:
    folder = cohort(tmp_path)
    (folder / "participants.tsv").unlink()
    now = [NOON + 30 * DAY]

    def wait(seconds: float) -> None:
        now[0] += seconds

    sites = replace(CONFIG.sites, follow=True, timeout_s=90.0)
    table = SiteTable(replace(CONFIG, sites=sites), folder, clock=lambda: now[0], wait=wait)
    with pytest.raises(BadInput, match="no finished cohort"):
        table.batch(0)
    assert now[0] == NOON + 30 * DAY + 90
