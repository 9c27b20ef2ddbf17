"""A node on loopback, to which an independent implementation's client sends."""

import socket
import ssl
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import MRImageStorage, Verification  # type: ignore[attr-defined]

from flame.core.errors import BadInput, FlameError
from flame.io.archive.arrivals import Arrivals, Stored
from flame.io.archive.listener import Listener, Peer, Tls, peer_of
from tests.helpers.certificates import certificates
from tests.io.archive.test_arrivals import image


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def listener(tmp_path: Path, lines: list[str]) -> Iterator[Listener]:
    arrivals = Arrivals(tmp_path / "studies", quiet_s=0, least_free=0)
    allowed = (Peer("SCANNER", "127.0.0.1"), Peer("OTHER", "10.1.2.3"))
    found = Listener(arrivals, "FLAME", allowed, lines.append)
    yield found
    found.stop()


def client(title: str = "SCANNER") -> AE:
    ae = AE(ae_title=title)
    ae.add_requested_context(MRImageStorage)
    ae.add_requested_context(Verification)
    return ae


def sent(port: int, *images: bytes, title: str = "SCANNER", end: str = "release") -> list[int]:
    association = client(title).associate("127.0.0.1", port, ae_title="FLAME")
    assert association.is_established
    codes = [int(association.send_c_store(dcmread(BytesIO(each))).Status) for each in images]
    getattr(association, end)()
    return codes


def test_images_of_a_study_arrive(listener: Listener, tmp_path: Path) -> None:
    port = listener.start(0, "127.0.0.1")
    assert sent(port, image(1), image(2)) == [0, 0]
    (study,) = listener.arrivals.complete()
    names = {str(dcmread(path).SOPInstanceUID) for path in study.glob("*.dcm")}
    assert names == {"1.2.1", "1.2.2"}
    assert listener.counts[Stored.NEW] == 2


def test_a_changed_image_is_a_duplicate_instance(listener: Listener) -> None:
    port = listener.start(0, "127.0.0.1")
    assert sent(port, image(1), image(1), image(1, name="y")) == [0, 0, 0x0111]


@pytest.mark.parametrize("title", ["STRANGER", "OTHER"])
def test_strangers_are_refused_and_told(listener: Listener, lines: list[str], title: str) -> None:
    port = listener.start(0, "127.0.0.1")
    association = client(title).associate("127.0.0.1", port, ae_title="FLAME")
    assert association.is_rejected
    assert lines == [f"refused {title} at 127.0.0.1, which is not among --allow"]


def test_a_stranger_is_refused_also_where_it_cannot_be_told(tmp_path: Path) -> None:
    """A title such as [/x] once broke the console, and its sender was let in."""

    def broken(line: str) -> None:
        raise ValueError(line)

    arrivals = Arrivals(tmp_path / "studies", quiet_s=0, least_free=0)
    listener = Listener(arrivals, "FLAME", (Peer("SCANNER"),), broken)
    port = listener.start(0, "127.0.0.1")
    try:
        found = client("[/x]").associate("127.0.0.1", port, ae_title="FLAME")
        assert not found.is_established
    finally:
        listener.stop()


def test_a_title_that_is_not_ours_is_refused(listener: Listener) -> None:
    port = listener.start(0, "127.0.0.1")
    assert client().associate("127.0.0.1", port, ae_title="NOT-US").is_rejected


def test_who_breaks_off_leaves_half_a_study(listener: Listener, lines: list[str]) -> None:
    port = listener.start(0, "127.0.0.1")
    sent(port, image(1), end="abort")
    listener.stop()  # waits for all associations
    assert listener.arrivals.complete() == []
    assert listener.arrivals.half() == 1
    assert lines == ["SCANNER broke off; its studies wait until they are sent again"]


def test_a_port_that_is_used_is_an_error(listener: Listener, tmp_path: Path) -> None:
    port = listener.start(0, "127.0.0.1")
    other = Listener(listener.arrivals, "FLAME", (), lambda _: None)
    with pytest.raises(FlameError, match=f"port {port} cannot be used"):
        other.start(port, "127.0.0.1")


def answers(port: int, context: ssl.SSLContext) -> bool:
    """Whether the node completes a handshake and then waits for what is said."""
    try:
        with (
            socket.create_connection(("localhost", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.settimeout(1)
            return secure.recv(1) != b""  # TLS 1.3 refuses a certificate after the handshake
    except TimeoutError:
        return True
    except OSError:
        return False


def test_tls_asks_for_a_certificate_of_the_authority(tmp_path: Path) -> None:
    known = certificates(tmp_path / "known", "localhost")
    strange = certificates(tmp_path / "strange", "localhost")
    arrivals = Arrivals(tmp_path / "studies", quiet_s=0, least_free=0)
    tls = Tls(known.certificate, known.key, known.authority)
    listener = Listener(arrivals, "FLAME", (Peer("SCANNER"),), lambda _: None, tls)
    port = listener.start(0, "127.0.0.1")
    stranger = Tls(strange.certificate, strange.key, known.authority)
    nobody = ssl.create_default_context(cafile=str(known.authority))
    try:
        association = client().associate(
            "localhost", port, ae_title="FLAME", tls_args=(tls.context(False), "localhost")
        )
        assert association.is_established
        association.release()
        assert answers(port, tls.context(server=False))
        assert not answers(port, stranger.context(server=False))
        assert not answers(port, nobody)
    finally:
        listener.stop()


def test_a_silent_connection_keeps_nobody_out(tmp_path: Path) -> None:
    known = certificates(tmp_path / "known", "localhost")
    tls = Tls(known.certificate, known.key, known.authority)
    arrivals = Arrivals(tmp_path / "studies", quiet_s=0, least_free=0)
    listener = Listener(arrivals, "FLAME", (Peer("SCANNER"),), lambda _: None, tls)
    port = listener.start(0, "127.0.0.1")
    try:
        with socket.create_connection(("localhost", port)) as silent:
            silent.send(b"\x16")  # the first byte of a greeting
            found = client().associate(
                "localhost", port, ae_title="FLAME", tls_args=(tls.context(False), "localhost")
            )
            assert found.is_established
            found.release()
    finally:
        listener.stop()


@pytest.mark.parametrize("text", ["", "@host", "A" * 17, "PACS@host:x", "PACS@host:70000"])
def test_text_that_names_no_node_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="names no DICOM node"):
        peer_of(text)
    assert peer_of("PACS") == Peer("PACS")
    assert peer_of("PACS@host") == Peer("PACS", "host")
