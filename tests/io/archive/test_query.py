"""Queries of an archive that an independent implementation plays on loopback."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

from flame.core.errors import FlameError
from flame.io.archive.listener import Peer
from flame.io.archive.query import Archive, Wanted


class Played:
    """An archive with two studies; ``status`` ends its answers."""

    def __init__(self) -> None:
        self.asked: list[Dataset] = []
        self.status = 0x0000
        ae = AE(ae_title="PACS")
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelMove)
        handlers: list[Any] = [(evt.EVT_C_FIND, self._find), (evt.EVT_C_MOVE, self._move)]
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        port = self.server.socket.getsockname()[1]
        self.archive = Archive(Peer("PACS", "127.0.0.1", port), "FLAME")

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        self.asked.append(event.identifier)
        for number in (2, 1):
            found = Dataset()
            found.QueryRetrieveLevel = "STUDY"
            found.StudyInstanceUID = f"1.2.{number}"
            found.NumberOfStudyRelatedInstances = str(10 * number)
            yield 0xFF00, found
        if self.status:
            yield self.status, None

    def _move(self, event: Any) -> Iterator[Any]:
        yield None, None  # the destination is not known


@pytest.fixture
def played() -> Iterator[Played]:
    found = Played()
    yield found
    found.server.shutdown()


def test_a_query_names_days_modality_and_patients(played: Played) -> None:
    wanted = Wanted("20260101", "", "MR", ("p1", "p2"), "*brain*")
    assert played.archive.studies(wanted) == {"1.2.1": 10, "1.2.2": 20}
    assert [query.PatientID for query in played.asked] == ["p1", "p2"]
    query = played.asked[0]
    assert query.StudyDate == "20260101-"
    assert query.ModalitiesInStudy == "MR"
    assert query.StudyDescription == "*brain*"


def test_an_answer_that_is_not_finished_is_an_error(played: Played) -> None:
    played.status = 0xA700
    with pytest.raises(FlameError, match="status 0xA700"):
        played.archive.studies(Wanted())


def test_a_node_that_the_archive_does_not_know_is_told_what_to_enter(played: Played) -> None:
    with pytest.raises(FlameError, match="does not know FLAME: enter this title"):
        played.archive.send("1.2.1")
