"""A DICOM node that accepts images (C-STORE), from the senders that are allowed."""

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom._globals import ALL_TRANSFER_SYNTAXES
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from flame.core.errors import BadInput, FlameError
from flame.io.archive.arrivals import Arrivals, Stored

_STATUS = {
    Stored.NEW: 0x0000,
    Stored.AGAIN: 0x0000,
    Stored.CHANGED: 0x0111,
    Stored.FULL: 0xA700,
}
"""Status of C-STORE (PS3.4, B.2.3): success, duplicate SOP instance, out of resources."""
_NOT_OF_ITS_CLASS = 0xA900
_ASSOCIATIONS = 10
"""Senders at the same time."""
_SILENT_S = 10.0
"""Longest time in s that a sender is silent while it shakes hands."""


@dataclass(frozen=True)
class Peer:
    """A DICOM node.

    Args:
        title: its application entity (AE) title.
        host: its address; empty: any.
        port: its port; 0: any.
    """

    title: str
    host: str = ""
    port: int = 0


def peer_of(text: str) -> Peer:
    """Read a DICOM node from text.

    Args:
        text: ``TITLE``, ``TITLE@HOST`` or ``TITLE@HOST:PORT``.

    Returns:
        The node.

    Raises:
        BadInput: the text is none of these, or the title has more than 16 characters.

    Example:
        >>> peer_of("PACS@10.0.0.5:104")
        Peer(title='PACS', host='10.0.0.5', port=104)
    """
    title, _, address = text.partition("@")
    host, _, port = address.rpartition(":") if ":" in address else (address, "", "0")
    if not 0 < len(title.strip()) <= 16 or not port.isdigit() or int(port) > 65535:
        raise BadInput(
            f"'{text}' names no DICOM node: give TITLE, TITLE@HOST or TITLE@HOST:PORT, with a "
            "title of at most 16 characters"
        )
    return Peer(title.strip(), host, int(port))


class _Accepting(ssl.SSLContext):
    """Shakes hands when the thread of an association reads, not while others wait to connect."""

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        """See ``ssl.SSLContext``."""
        sock.settimeout(_SILENT_S)
        options["do_handshake_on_connect"] = False
        return super().wrap_socket(sock, *args, **options)


@dataclass(frozen=True)
class Tls:
    """Files of TLS in PEM.

    Args:
        certificate: certificate of this node.
        key: its private key.
        authority: certificate that signs those of allowed nodes.
    """

    certificate: Path
    key: Path
    authority: Path

    def context(self, server: bool) -> ssl.SSLContext:
        """Return a context that asks the other side for its certificate.

        Args:
            server: whether this node accepts connections.

        Returns:
            The context.

        Raises:
            BadInput: a file cannot be used.
        """
        context = (
            _Accepting(ssl.PROTOCOL_TLS_SERVER)
            if server
            else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.authority)
        except (OSError, ssl.SSLError) as error:
            raise BadInput(
                f"{self.certificate}, {self.key} and {self.authority} cannot be used for TLS "
                f"({error.strerror or 'a file is no PEM'})"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
        return context


class Listener:
    """Accepts images from allowed senders, and counts what became of them.

    Args:
        arrivals: where images are stored.
        title: AE title of this node.
        allowed: senders that are allowed.
        say: called with a line that names no patient.
        tls: files of TLS; None: connections are not encrypted.
    """

    def __init__(
        self,
        arrivals: Arrivals,
        title: str,
        allowed: tuple[Peer, ...],
        say: Callable[[str], None],
        tls: Tls | None = None,
    ) -> None:
        self.arrivals = arrivals
        self.allowed = allowed
        self.say = say
        self.tls = tls
        self.counts: Counter[Stored] = Counter()
        self._lock = threading.Lock()
        self._ae = AE(ae_title=title)
        self._ae.maximum_associations = _ASSOCIATIONS
        self._ae.require_called_aet = True
        self._ae.supported_contexts = AllStoragePresentationContexts
        for context in self._ae.supported_contexts:
            context.transfer_syntax = [*ALL_TRANSFER_SYNTAXES]
        self._ae.add_supported_context(Verification)
        self._server: Any = None

    def start(self, port: int, host: str = "") -> int:
        """Begin to listen.

        Args:
            port: port; 0: any that is free.
            host: address to listen at; empty: all of this machine.

        Returns:
            The port.

        Raises:
            FlameError: the port is in use or not permitted.
        """
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_RELEASED, self._released),
            (evt.EVT_ABORTED, self._broken),
            (evt.EVT_CONN_CLOSE, self._closed),
        ]
        context = self.tls.context(server=True) if self.tls else None
        try:
            socket.create_server((host, port)).close()  # pynetdicom leaks a socket if it fails
            self._server = self._ae.start_server(
                (host, port), block=False, evt_handlers=handlers, ssl_context=context
            )
        except OSError as error:
            raise FlameError(
                f"port {port} cannot be used ({error.strerror}): choose another --port, or end "
                "what uses it"
            ) from None
        return int(self._server.socket.getsockname()[1])

    def stop(self) -> None:
        """End all associations, and listen no longer."""
        server, self._server = self._server, None
        if server:
            server.shutdown()
        self._ae.shutdown()

    def _requested(self, event: Any) -> None:
        """Refuse a sender that is not allowed."""
        try:
            # The title of the association itself is set once it is accepted.
            title = event.assoc.requestor.primitive.calling_ae_title.strip()
            host = event.assoc.requestor.address
            allowed = any(p.title == title and p.host in ("", host) for p in self.allowed)
        except Exception:  # pynetdicom would go on with a sender that was not looked at
            title, host, allowed = "a sender", "an unknown address", False
        if not allowed:
            try:
                self.say(f"refused {_plain(title)} at {host}, which is not among --allow")
            finally:
                event.assoc.acse.send_reject(0x01, 0x01, 0x03)  # calling AE title not recognised
                event.assoc.kill()

    def _store(self, event: Any) -> int:
        try:
            dataset = event.dataset
            study, image = str(dataset.StudyInstanceUID), str(dataset.SOPInstanceUID)
            content = event.encoded_dataset()
        except Exception:  # whatever a sender sends is an answer, never an end of this node
            study = image = ""
        if not study or image != str(event.request.AffectedSOPInstanceUID):
            self.arrivals.refused(_sender(event))
            return _NOT_OF_ITS_CLASS
        stored = self.arrivals.store(_sender(event), study, image, content)
        with self._lock:
            first = not self.counts[stored]
            self.counts[stored] += 1
        if first and stored in (Stored.CHANGED, Stored.FULL):
            self.say(f"an image was {stored.value}")
        return _STATUS[stored]

    def _released(self, event: Any) -> None:
        self.arrivals.released(_sender(event))

    def _broken(self, event: Any) -> None:
        self.arrivals.broken(_sender(event))
        title = _plain(event.assoc.requestor.ae_title.strip())
        self.say(f"{title} broke off; its studies wait until they are sent again")

    def _closed(self, event: Any) -> None:
        """A connection that was cut: nothing is open of one that was released."""
        self.arrivals.broken(_sender(event))


def _sender(event: Any) -> str:
    """Return a name of the association, the same for all its images."""
    requestor = event.assoc.requestor
    return f"{requestor.ae_title} {requestor.address}:{requestor.port} {event.assoc.name}"


def _plain(text: str) -> str:
    """Return a title of printable characters, as a sender may choose any."""
    return "".join(c if c.isprintable() else "?" for c in text)
