"""Studies of a DICOM archive: found by C-FIND, and sent here by C-MOVE."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
)

from flame.core.errors import FlameError
from flame.io.archive.listener import Peer, Tls

_CONNECT_S = 10.0
"""Time-out of a connection in s."""
_PENDING = (0xFF00, 0xFF01)
_SUCCESS = 0x0000


@dataclass(frozen=True)
class Wanted:
    """Which studies are wanted; empty values match every study.

    Args:
        since: first StudyDate as YYYYMMDD.
        until: last StudyDate as YYYYMMDD.
        modality: modality that a study has, such as MR.
        patients: PatientIDs.
        description: pattern of the StudyDescription, in which * matches anything.
    """

    since: str = ""
    until: str = ""
    modality: str = ""
    patients: tuple[str, ...] = ()
    description: str = ""


class Archive:
    """A DICOM archive that can be asked for studies.

    Args:
        peer: its AE title, host and port.
        title: AE title of this node.
        tls: files of TLS; None: connections are not encrypted.
    """

    def __init__(self, peer: Peer, title: str, tls: Tls | None = None) -> None:
        self.peer = peer
        self.title = title
        self.tls = tls

    def studies(self, wanted: Wanted) -> dict[str, int]:
        """Find studies.

        Args:
            wanted: which.

        Returns:
            Number of images by StudyInstanceUID, in order of UID; 0 where it is not told.

        Raises:
            FlameError: the archive cannot be reached, or refuses the query.
        """
        found: dict[str, int] = {}
        for patient in wanted.patients or ("",):
            found |= dict(self._find(_query(wanted, patient)))
        return dict(sorted(found.items()))

    def _find(self, query: Dataset) -> Iterator[tuple[str, int]]:
        with _Association(self, StudyRootQueryRetrieveInformationModelFind) as association:
            for status, identifier in association.send_c_find(
                query, StudyRootQueryRetrieveInformationModelFind
            ):
                code = status.Status if status else None
                if code in _PENDING and identifier is not None:
                    count = identifier.get("NumberOfStudyRelatedInstances") or 0
                    yield str(identifier.StudyInstanceUID), int(count)
                elif code != _SUCCESS:
                    raise FlameError(
                        f"{self} did not finish the query ({_hex(code)}): check that it knows "
                        f"{self.title}, and lets it query"
                    )

    def send(self, study: str) -> int:
        """Have a study sent to this node, which must listen and be known to the archive.

        Args:
            study: StudyInstanceUID.

        Returns:
            Number of images that arrived.

        Raises:
            FlameError: the archive does not know this node, or some images did not arrive.
        """
        query = Dataset()
        query.QueryRetrieveLevel = "STUDY"
        query.StudyInstanceUID = study
        with _Association(self, StudyRootQueryRetrieveInformationModelMove) as association:
            code, done, failed = None, 0, 0
            for status, _ in association.send_c_move(
                query, self.title, StudyRootQueryRetrieveInformationModelMove
            ):
                code = status.Status if status else None
                done = int(status.get("NumberOfCompletedSuboperations", done)) if status else done
                failed = int(status.get("NumberOfFailedSuboperations", failed)) if status else 0
        if code == 0xA801:
            raise FlameError(
                f"{self} does not know {self.title}: enter this title with the address and --port "
                "of this machine among the nodes of the archive"
            )
        if code != _SUCCESS or failed:
            raise FlameError(
                f"{self} sent {done} images of a study and failed at {failed} ({_hex(code)}); the "
                "same command goes on"
            )
        return done

    def __str__(self) -> str:
        return f"{self.peer.title} at {self.peer.host}:{self.peer.port}"


class _Association:
    """An association with an archive for one kind of request."""

    def __init__(self, archive: Archive, kind: str) -> None:
        self.archive = archive
        self._ae = AE(ae_title=archive.title)
        self._ae.add_requested_context(kind)

    def __enter__(self) -> Association:
        peer, tls = self.archive.peer, self.archive.tls
        context = (tls.context(server=False), peer.host) if tls else None
        try:
            socket.create_connection((peer.host, peer.port), timeout=_CONNECT_S).close()
        except OSError as error:
            why = error.strerror or "no answer"
            raise FlameError(
                f"{self.archive} cannot be reached ({why}): check its address and port"
            ) from None
        self._open = self._ae.associate(peer.host, peer.port, ae_title=peer.title, tls_args=context)
        if not self._open.is_established:
            raise FlameError(
                f"{self.archive} refuses this node: check its title, whether it asks for TLS, and "
                f"that it knows {self.archive.title}"
            )
        return self._open

    def __exit__(self, *error: object) -> None:
        self._open.release()


def _query(wanted: Wanted, patient: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = ""
    query.NumberOfStudyRelatedInstances = ""
    query.PatientID = patient
    if wanted.since or wanted.until:
        query.StudyDate = f"{wanted.since}-{wanted.until}"
    if wanted.modality:
        query.ModalitiesInStudy = wanted.modality
    if wanted.description:
        query.StudyDescription = wanted.description
    return query


def _hex(code: int | None) -> str:
    return "no answer" if code is None else f"status 0x{code:04X}"
