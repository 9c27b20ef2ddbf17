"""A day at three hospitals: their archives send patients, one gets a new scanner, pages show it.

Every part is a process of its own: Orthanc, ``flame receive --preprocess`` and ``flame join`` at
each hospital, ``flame serve``, ``flame submit``. A step takes ``STEP_S`` by the clock.
"""

import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from flame.federation.config import TrainConfig
from flame.federation.run_files import DRIFT
from flame.streams.config import SitesConfig, StreamConfig
from flame.streams.learners.learner import Pace
from flame.streams.shift_watch import AlarmConfig
from flame.streams.sources.tables.config import TableConfig
from tests.helpers.hospitals import FLAME, Hospitals, until
from tests.helpers.orthanc import Orthanc, needs_orthanc

pytestmark = [pytest.mark.flare, pytest.mark.slow, needs_orthanc]
SITES = ("east", "north", "west")
STEPS, PATIENTS, STEP_S = 3, 5, 300
"""Steps, patients of a hospital in each, and seconds of a step: preprocessing takes two minutes."""
NEW = "Toshiba"
"""Manufacturer of the fourth scanner of the simulator, which north has from the third step on."""


class Day:
    """Three archives that hold simulated patients, and a node of each hospital that receives."""

    def __init__(self, root: Path) -> None:
        many = str(STEPS * PATIENTS)
        wanted = ["--centres", "4", "--patients", many, "--spacing", "3", "--day=-10"]
        command = [*FLAME, "simulate", str(root / "made"), *wanted, "--planning", "mr"]
        subprocess.run(command, check=True, capture_output=True)
        self.root = root
        self.archives: dict[str, Orthanc] = {}
        self.receiving: list[subprocess.Popen[bytes]] = []
        for place, name in enumerate(SITES):
            centres = [
                root / "made" / f"centre-{k}" for k in ((2, 4) if name == "north" else (1 + place,))
            ]
            clinical = pd.concat(pd.read_csv(each / "clinical.tsv", sep="\t") for each in centres)
            clinical.to_csv(root / f"{name}.tsv", sep="\t", index=False)
            self.archives[name] = archive = Orthanc(root / f"orthanc-{name}")
            for centre in centres:
                archive.hold(centre / "dicom")
            folder = root / "hospitals" / name
            folder.mkdir(parents=True)
            command = [*FLAME, "receive", str(folder / "dicom"), "--allow", "ORTHANC"]
            command += ["--port", str(archive.flame), "--host", "127.0.0.1", "--quiet", "3"]
            command += ["--least-free", "0", "--preprocess", str(folder / "derivatives")]
            command += ["--clinical", str(root / f"{name}.tsv")]
            with (folder / "receive.out").open("wb") as out:
                self.receiving.append(subprocess.Popen(command, stdout=out, stderr=out))

    def derivatives(self, name: str) -> Path:
        return self.root / "hospitals" / name / "derivatives"

    def send(self, step: int) -> None:
        """Each archive sends the patients of a step; those of north have a new scanner at last."""
        for place, name in enumerate(SITES):
            centre = 4 if name == "north" and step == STEPS - 1 else 1 + place
            first = step * PATIENTS
            wanted = {f"SIM-{centre}-{first + k + 1:03d}" for k in range(PATIENTS)}
            archive = self.archives[name]
            for study in archive.ask("studies"):
                tags = archive.ask(f"studies/{study}")["PatientMainDicomTags"]
                if tags["PatientID"] in wanted:
                    archive.send(study)

    def preprocessed(self, step: int) -> bool:
        """Whether all patients so far are rows of the tables of all hospitals."""
        tables = [self.derivatives(name) / "participants.tsv" for name in SITES]
        try:
            return all(len(pd.read_csv(t, sep="\t")) >= PATIENTS * (step + 1) for t in tables)
        except (FileNotFoundError, pd.errors.EmptyDataError):
            return False

    def stop(self) -> None:
        for process in self.receiving:
            process.terminate()
            process.wait(60)
        for archive in self.archives.values():
            archive.stop()


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    found = Day(tmp_path)
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def federation(day: Day, toy: TrainConfig, tmp_path: Path) -> Iterator[Hospitals]:
    found = Hospitals(tmp_path, toy, sites=SITES)
    found.data = {name: day.derivatives(name) for name in SITES}
    try:
        yield found
    finally:
        found.stop()


def stream_from(start: float) -> StreamConfig:
    table = TableConfig(
        outcome="response",
        positive=("1",),
        features=("age", "radiomics.volume"),
        time_columns=("arrived",),
        device_column="scanner",
        subject_column="participant_id",
        start=pd.Timestamp(start, unit="s").isoformat(),
        step=STEP_S / 86_400,
        scale="node",
        simulated=True,
    )
    return StreamConfig(
        table=table,
        sites=SitesConfig(names=SITES, steps=STEPS, follow=True),
        training=Pace(rounds=12, local_steps=2),
        compare=("local", "evidence-gossip"),
        alarms=AlarmConfig(run_length=50),
        detectors=(),
        seeds=(0,),
    )


def test_the_pages_show_the_hospital_with_the_new_scanner(day: Day, federation: Hospitals) -> None:
    for name in SITES:
        policy = federation.kit(name) / "local" / "policy.toml"
        told = policy.read_text().replace("peers = false", "peers = true")
        policy.write_text(told.replace("least_count = 5", "least_count = 1"))  # simulated patients
    start = time.time()
    for step in range(STEPS):
        day.send(step)
        until(lambda step=step: day.preprocessed(step), STEP_S)
        if step == 0:
            federation.start("server", *SITES, options=("--dashboard", "0"))
            out = day.root / "run"
            submitted = federation.submit(stream_from(start), out)
        until(lambda step=step: time.time() > start + (step + 1) * STEP_S, STEP_S)
    assert submitted.wait(600) == 0, federation.said()
    kept = next((federation.kit("north") / "flame-runs").glob(f"*/{DRIFT}"))
    alarms = pd.read_csv(kept)
    assert alarms[alarms.new > 0][["step", "since", "new"]].to_numpy().tolist() == [[2, 2, 1]]
    assert NEW in alarms[alarms.new > 0].devices.iloc[0]
    page = (out / "stream.html").read_text()
    assert "new here" in page
    assert NEW not in page
    patients = pd.read_csv(day.derivatives("north") / "participants.tsv", sep="\t").participant_id
    for path in out.rglob("*"):
        if path.is_file():
            text = path.read_bytes().decode(errors="replace")
            assert not any(patient in text for patient in patients), path
    (address,) = re.findall(r"http://\S+", (federation.root / "north.out").read_text())[:1]
    with urllib.request.urlopen(address) as reply:
        own = reply.read().decode()
    (federation.root / "north.html").write_text(own)
    assert NEW in own
    named = [patient for patient in patients if patient in own]
    assert len(named) == PATIENTS
    for patient in named:  # they have the new scanner
        texts = (day.derivatives("north") / patient).rglob("*.json")
        assert any(NEW in path.read_text() for path in texts)
