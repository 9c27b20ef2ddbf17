"""Studies that arrive image by image: complete, half received, twice, changed, and a full disk."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from flame.io.archive.arrivals import Arrivals, Stored


def image(number: int, name: str = "x", title: str = "") -> bytes:
    data = Dataset()
    data.SOPInstanceUID, data.SOPClassUID = f"1.2.{number}", MRImageStorage
    data.StudyInstanceUID, data.PatientName = "1.2", name
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = MRImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    if title:
        data.file_meta.SourceApplicationEntityTitle = title
    file = BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


class Clock:
    """Time in s that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def arrivals(folder: Path, clock: Clock, free: int = 10**12) -> Arrivals:
    return Arrivals(folder / "studies", 60, 10**9, clock, lambda _: free)


def test_a_study_moves_once_it_was_quiet_for_a_minute(tmp_path: Path, clock: Clock) -> None:
    here = arrivals(tmp_path, clock)
    for number in (1, 2):
        assert here.store("a", "1.2", f"1.2.{number}", image(number)) is Stored.NEW
    here.released("a")
    clock.now += 59
    assert here.complete() == []
    clock.now += 1
    (study,) = here.complete()
    assert len(list(study.glob("*.dcm"))) == here.count("1.2") == 2
    assert "1.2" not in str(study)
    here.store("b", "1.2", "1.2.3", image(3))
    here.released("b")
    clock.now += 60
    assert here.complete() == [study]
    assert here.count("1.2") == 3


def test_half_a_study_waits_until_it_is_sent_again(tmp_path: Path, clock: Clock) -> None:
    here = arrivals(tmp_path, clock)
    here.store("a", "1.2", "1.2.1", image(1))
    here.broken("a")
    clock.now += 1000
    assert here.complete() == []
    assert here.half() == 1
    assert here.store("b", "1.2", "1.2.1", image(1)) is Stored.AGAIN
    here.store("b", "1.2", "1.2.2", image(2))
    here.released("b")
    clock.now += 60
    assert len(here.complete()) == 1


def test_a_study_that_is_sent_twice_at_once_waits_for_both(tmp_path: Path, clock: Clock) -> None:
    here = arrivals(tmp_path, clock)
    here.store("a", "1.2", "1.2.1", image(1))
    here.store("b", "1.2", "1.2.2", image(2))
    here.released("a")
    clock.now += 60
    assert here.complete() == []
    here.released("b")
    clock.now += 60
    assert len(here.complete()) == 1


def test_what_a_killed_node_had_open_is_half_a_study(tmp_path: Path, clock: Clock) -> None:
    arrivals(tmp_path, clock).store("a", "1.2", "1.2.1", image(1))
    again = arrivals(tmp_path, clock)
    clock.now += 1000
    assert again.complete() == []
    assert again.half() == 1


def test_the_first_image_of_a_uid_is_kept(tmp_path: Path, clock: Clock) -> None:
    here = arrivals(tmp_path, clock)
    here.store("a", "1.2", "1.2.1", image(1))
    assert here.store("a", "1.2", "1.2.1", image(1, title="OTHER")) is Stored.AGAIN
    assert here.store("a", "1.2", "1.2.1", image(1, name="y")) is Stored.CHANGED
    here.released("a")
    clock.now += 60
    here.complete()
    assert here.store("b", "1.2", "1.2.1", image(1, name="y")) is Stored.CHANGED


def test_a_full_disk_takes_nothing(tmp_path: Path, clock: Clock) -> None:
    here = arrivals(tmp_path, clock, free=10**9)
    assert here.store("a", "1.2", "1.2.1", image(1)) is Stored.FULL
    assert not list((tmp_path / "studies.incoming").iterdir())


def test_a_study_of_which_an_image_was_refused_waits(tmp_path: Path, clock: Clock) -> None:
    """The disk is full at the second image; the sender releases all the same."""
    free = [10**12, 0]
    here = Arrivals(tmp_path / "studies", 60, 10**9, clock, lambda _: free.pop(0))
    assert here.store("a", "1.2", "1.2.1", image(1)) is Stored.NEW
    assert here.store("a", "1.2", "1.2.2", image(2)) is Stored.FULL
    here.released("a")
    clock.now += 60
    assert here.complete() == []
    free += [10**12]
    assert here.store("b", "1.2", "1.2.2", image(2)) is Stored.NEW
    here.released("b")
    clock.now += 60
    assert here.count("1.2") == 0
    assert len(here.complete()) == 1
    assert here.count("1.2") == 2


def test_an_unreadable_image_keeps_the_studies_of_its_sender(tmp_path: Path, clock: Clock) -> None:
    here = arrivals(tmp_path, clock)
    here.store("a", "1.2", "1.2.1", image(1))
    here.refused("a")
    here.released("a")
    clock.now += 60
    assert here.complete() == []


def test_one_image_sent_again_does_not_complete_half_a_study(tmp_path: Path, clock: Clock) -> None:
    here = arrivals(tmp_path, clock)
    for number in (1, 2, 3):
        here.store("a", "1.2", f"1.2.{number}", image(number))
    here.broken("a")
    here.store("b", "1.2", "1.2.1", image(1))
    here.released("b")
    clock.now += 60
    assert here.complete() == []
    for number in (1, 2, 3):  # now all that are here
        here.store("c", "1.2", f"1.2.{number}", image(number))
    here.released("c")
    clock.now += 60
    assert len(here.complete()) == 1


def test_an_image_that_was_being_written_at_a_kill_is_none(tmp_path: Path, clock: Clock) -> None:
    here = arrivals(tmp_path, clock)
    here.store("a", "1.2", "1.2.1", image(1))
    (study,) = here.incoming.iterdir()
    (study / ".123-x.dcm").write_bytes(b"half")
    again = arrivals(tmp_path, clock)
    again.store("b", "1.2", "1.2.1", image(1))
    again.released("b")
    clock.now += 60
    (moved,) = again.complete()
    assert [file.name.startswith(".") for file in moved.iterdir()] == [False]
    assert again.count("1.2") == 1
