"""Studies of a real Orthanc: retrieved by a query, and received as it sends them."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flame.core.errors import BadInput, FlameError
from flame.io.archive.listener import Peer
from flame.io.archive.query import Archive, Wanted
from flame.pipelines import inspect, receive, retrieve
from flame.pipelines.receive import ReceiveConfig
from tests.helpers.dicom_series import write_mr_series
from tests.helpers.hospitals import until
from tests.helpers.orthanc import Orthanc, needs_orthanc

STUDIES = (("20240102", "MR"), ("20240305", "MR"), ("20240306", "CT"))


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    found = Orthanc(tmp_path / "orthanc")
    try:
        yield found
    finally:
        found.stop()


def held(orthanc: Orthanc, folder: Path) -> int:
    """Two studies of MRI and one of CT."""
    for number, (day, modality) in enumerate(
        (("20240102", "MR"), ("20240305", "MR"), ("20240306", "CT"))
    ):
        write_mr_series(
            folder / f"study-{number}",
            series=f"{number + 1}",
            StudyInstanceUID=f"1.2.3.{number}",
            StudyDate=day,
            Modality=modality,
            PatientID=f"person-{number}",
        )
    return orthanc.hold(folder)


def settings(folder: Path, orthanc: Orthanc, *allowed: Peer) -> ReceiveConfig:
    return ReceiveConfig(
        folder, "FLAME", allowed, orthanc.flame, "127.0.0.1", quiet_s=0.5, least_free_gb=0
    )


@needs_orthanc
def test_studies_of_a_query_are_retrieved_once(orthanc: Orthanc, tmp_path: Path) -> None:
    images = held(orthanc, tmp_path / "source")
    archive = Peer("ORTHANC", "127.0.0.1", orthanc.dicom)
    config = settings(tmp_path / "got", orthanc)
    lines: list[str] = []
    wanted = Wanted(since="20240201", modality="MR")
    assert retrieve.run(archive, wanted, config, lines.append) == (1, 1)
    assert retrieve.run(archive, Wanted(), config, lines.append) == (3, 3)
    files = sorted((tmp_path / "got").rglob("*.dcm"))
    assert len(files) == images
    before = {path: path.stat().st_mtime_ns for path in files}
    assert retrieve.run(archive, Wanted(), config, lines.append) == (3, 3)
    assert {path: path.stat().st_mtime_ns for path in files} == before  # nothing was sent again
    assert Archive(archive, "FLAME").studies(Wanted(patients=("person-2",))) == {"1.2.3.2": 12}
    _, rows = inspect.run(tmp_path / "got")
    assert {row.day for row in rows} >= {"2024-01-02", "2024-03-05"}
    told = " ".join([*lines, *map(str, files)])
    assert "person" not in told
    assert "1.2.3" not in told


@needs_orthanc
def test_an_archive_that_does_not_know_this_node_is_an_error(
    orthanc: Orthanc, tmp_path: Path
) -> None:
    held(orthanc, tmp_path / "source")
    archive = Peer("ORTHANC", "127.0.0.1", orthanc.dicom)
    with pytest.raises(FlameError, match="knows STRANGER"):
        Archive(archive, "STRANGER").studies(Wanted())
    with pytest.raises(FlameError, match="cannot be reached"):
        Archive(Peer("ORTHANC", "127.0.0.1", orthanc.flame), "FLAME").studies(Wanted())


@needs_orthanc
def test_studies_that_an_archive_sends_are_received_and_handed_on(
    orthanc: Orthanc, tmp_path: Path
) -> None:
    images = held(orthanc, tmp_path / "source")
    lines: list[str] = []
    handed: list[int] = []
    stopped, done = threading.Event(), []

    def then(folder: Path) -> None:
        handed.append(sum(1 for _ in folder.rglob("*.dcm")))
        if handed[-1] == images:
            stopped.set()

    config = settings(tmp_path / "got", orthanc, Peer("ORTHANC", "127.0.0.1"))
    runs = threading.Thread(
        target=lambda: done.append(receive.run(config, lines.append, stopped, then))
    )
    runs.start()
    try:
        until(lambda: bool(lines), 30)
        for study in orthanc.ask("studies"):
            orthanc.send(study)
        assert stopped.wait(60), lines
    finally:
        stopped.set()
        runs.join()
    assert done == [3]
    assert handed[-1] == images
    assert any(f"{images} images stored" in line for line in lines)


@pytest.mark.parametrize("error", [BadInput("no head"), ZeroDivisionError("by 0")])
def test_receiving_goes_on_whatever_preprocessing_does(error: Exception, tmp_path: Path) -> None:
    lines: list[str] = []

    def then(folder: Path) -> None:
        raise error

    receive._after(then, tmp_path / "dicom", lines.append)
    assert ("no head" in lines[0]) if isinstance(error, BadInput) else ("traceback" in lines[0])


def test_nobody_may_send_unless_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--allow"):
        receive.run(ReceiveConfig(tmp_path / "got", "FLAME", ()), print, threading.Event())


def test_an_archive_needs_an_address(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="TITLE@HOST:PORT"):
        retrieve.run(Peer("PACS"), Wanted(), ReceiveConfig(tmp_path / "x", "FLAME", ()), print)
