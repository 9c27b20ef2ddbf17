"""More than twenty seeded faults of kits and of the way to a server; each has to be named."""

import json
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from flame.core.config import build
from flame.federation.flare import connection, kit_checks
from flame.federation.flare.findings import Finding
from flame.federation.flare.kit import SITE
from flame.federation.flare.provisioning import Project, provision

pytestmark = pytest.mark.flare
NOW = datetime.now(UTC)
GIVEN = {"name": "gbm", "host": "localhost", "sites": ["a", "b"], "port": 9}


@pytest.fixture(scope="module")
def federations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kits of two federations, ours and other, that differ in nothing but their keys."""
    root = tmp_path_factory.mktemp("federations")
    for name in ("ours", "other"):
        provision(build(Project, GIVEN, "project.toml"), root / name)
    return root


@pytest.fixture
def kits(federations: Path, tmp_path: Path) -> Path:
    shutil.copytree(federations, tmp_path / "federations")
    return tmp_path / "federations"


def dated(kits: Path, kit: str, certificate: str, begin: datetime, end: datetime) -> None:
    """Give a certificate other dates, signed by the authority of its federation."""
    path = kits / "ours" / kit / "startup" / certificate
    made = x509.load_pem_x509_certificate(path.read_bytes())
    authority = json.loads((kits / "ours" / "authority" / "cert.json").read_text())
    builder = x509.CertificateBuilder(
        made.issuer, made.subject, made.public_key(), made.serial_number, begin, end
    )
    for extension in made.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    root = load_pem_private_key(authority["root_pri_key"].encode(), None)
    signed = builder.sign(root, hashes.SHA256())  # type: ignore[arg-type]
    path.write_bytes(signed.public_bytes(Encoding.PEM))


def faults(found: Iterator[Finding] | list[Finding]) -> list[tuple[str, str]]:
    return [(f.what, f.words) for f in found if f.level == "fault"]


Seed = Callable[[Path, pytest.MonkeyPatch], object]


def startup(kits: Path, kit: str = "a", whose: str = "ours") -> Path:
    return kits / whose / kit / "startup"


def copied(kits: Path, source: Path, *names: str) -> None:
    for name in names:
        shutil.copy(source / name, startup(kits) / name)


@pytest.mark.parametrize(
    ("seed", "what", "words"),
    [
        (lambda k, _: (startup(k) / "client.key").unlink(), "certificate", "client.key missing"),
        (lambda k, _: (startup(k) / "rootCA.pem").unlink(), "certificate", "rootCA.pem missing"),
        (
            lambda k, _: (startup(k) / "client.crt").write_text("-----BEGIN"),
            "certificate",
            "is damaged",
        ),
        (
            lambda k, _: copied(k, startup(k, "b"), "client.key"),
            "certificate",
            "is not the key of startup/client.crt",
        ),
        (
            lambda k, _: copied(k, startup(k, whose="other"), "rootCA.pem"),
            "certificate",
            "signed by another federation",
        ),
        (
            lambda k, _: copied(k, startup(k, "b"), "client.crt", "client.key"),
            "certificate",
            "it is for b, and the kit is for a",
        ),
        (
            lambda k, _: dated(k, "a", "client.crt", NOW - timedelta(9), NOW - timedelta(1)),
            "dates",
            "renew it",
        ),
        (
            lambda k, _: dated(k, "a", "client.crt", NOW + timedelta(1), NOW + timedelta(9)),
            "dates",
            "set the clock",
        ),
        (
            lambda _, m: m.setattr(kit_checks.os, "access", lambda *_: False),
            "disk",
            "cannot be written by this user",
        ),
        (
            lambda _, m: m.setattr(
                kit_checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=2e8)
            ),
            "disk",
            "0.2 GB available, 1 GB are needed",
        ),
        (
            lambda _, m: m.setattr(
                kit_checks.psutil, "virtual_memory", lambda: SimpleNamespace(available=5e8)
            ),
            "memory",
            "0.5 GB available, 1 GB are needed",
        ),
        (
            lambda k, _: (k / "ours/a/local/policy.toml").write_text("least_patient = 3\n"),
            "policy",
            "did you mean 'least_patients'",
        ),
        (
            lambda k, _: (k / "ours/a/local/policy.toml").write_text('learners = ["cnx"]\n'),
            "policy",
            "unknown learner 'cnx'",
        ),
    ],
)
def test_faults_of_a_kit(
    kits: Path, monkeypatch: pytest.MonkeyPatch, seed: Seed, what: str, words: str
) -> None:
    kit = kits / "ours" / "a"
    assert not faults(kit_checks.check_here(kit))
    seed(kits, monkeypatch)
    found = faults(kit_checks.check_here(kit))
    assert any(w == what and words in told for w, told in found), found


def test_what_may_become_a_fault_is_a_warning(kits: Path) -> None:
    kit = kits / "ours" / "a"
    dated(kits, "a", "client.crt", NOW - timedelta(9), NOW + timedelta(10))
    (kit / "made_with.json").write_text(json.dumps({"FLAME": "0.0.1"}))
    (kit / "startup" / "client.key").chmod(0o644)
    found = {f.what: f.words for f in kit_checks.check_here(kit) if f.level == "warning"}
    assert "ends in 9 days" in found["dates"]
    assert "0.0.1 where the kit was made" in found["versions"]
    assert "chmod 600" in found["certificate"]


def test_a_port_in_use_at_the_server(kits: Path) -> None:
    with socket.create_server(("", 0)) as busy:
        path = kits / "ours" / "server" / "startup" / "fed_server.json"
        described = json.loads(path.read_text())
        described["servers"][0]["service"]["target"] = f"localhost:{busy.getsockname()[1]}"
        path.write_text(json.dumps(described))
        found = faults(kit_checks.check_here(kits / "ours" / "server"))
    assert found[0][0] == "ports"
    assert "Address already in use" in found[0][1]


def pointed(kits: Path, target: str) -> Path:
    """Let the kit of a connect to another address."""
    kit = kits / "ours" / "a"
    path = kit / "startup" / SITE
    described = json.loads(path.read_text())
    described["servers"][0]["service"]["target"] = target
    path.write_text(json.dumps(described))
    return kit


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on this machine that treats each connection by ``answer``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connected, _ = listener.accept()
                except OSError:
                    return
                try:
                    with connected:
                        answer(connected)
                except OSError:
                    pass  # what the other side does about it is tested

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def secure(kits: Path, whose: str = "ours", trusts: str = "ours") -> Callable[..., None]:
    """A server with the certificate of one federation that admits sites of a federation."""
    folder = startup(kits, "server", whose)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.load_verify_locations(startup(kits, "server", trusts) / "rootCA.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    def answer(raw: socket.socket) -> None:
        with context.wrap_socket(raw, server_side=True) as connected:
            connected.recv(64)
            connected.sendall(bytes(16))

    return answer


def replying(text: bytes) -> Callable[[socket.socket], None]:
    def answer(raw: socket.socket) -> None:
        raw.recv(4096)
        raw.sendall(text)

    return answer


def test_the_way_to_a_server_in_order(kits: Path) -> None:
    with listening(secure(kits)) as port:
        kit = pointed(kits, f"localhost:{port}")
        found = list(connection.check_connection(kit, {}))
    assert {f.level for f in found} == {"in order"}
    assert [f.what for f in found] == ["name", "port", "TLS", "identity"]
    assert connection.why_not_connected(kit).endswith("start flame serve there, or open the port")


@pytest.mark.parametrize(
    ("answer", "host", "words"),
    [
        (lambda k: replying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "localhost", "speaks no TLS"),
        (lambda k: secure(k, whose="other"), "localhost", "not of this federation"),
        (lambda k: secure(k, trusts="other"), "localhost", "does not accept the certificate"),
        (lambda k: secure(k), "127.0.0.1", "does not name 127.0.0.1"),
        (lambda k: replying(b""), "localhost", "ends during the TLS handshake"),
    ],
)
def test_faults_of_what_answers(
    kits: Path, answer: Callable[[Path], Callable[..., None]], host: str, words: str
) -> None:
    with listening(answer(kits)) as port:
        found = faults(connection.check_connection(pointed(kits, f"{host}:{port}"), {}))
    assert len(found) == 1
    assert words in found[0][1]


def test_an_expired_certificate_of_the_server(kits: Path) -> None:
    dated(kits, "server", "server.crt", NOW - timedelta(9), NOW - timedelta(1))
    with listening(secure(kits)) as port:
        ((_, told),) = faults(connection.check_connection(pointed(kits, f"localhost:{port}"), {}))
    assert "the certificate of the server has expired" in told


def test_nothing_answers(kits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((what, told),) = faults(connection.check_connection(pointed(kits, "no.invalid:1"), {}))
    assert (what, "no address for no.invalid" in told) == ("name", True)
    monkeypatch.setattr(connection, "_WAIT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        where = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # a full queue, beyond which the kernel drops what comes
            each.setblocking(False)
            each.connect_ex(where)
        kit = pointed(kits, f"127.0.0.1:{where[1]}")
        ((what, told),) = faults(connection.check_connection(kit, {}))
        for each in waiting:
            each.close()
    assert (what, "a firewall drops the connection" in told) == ("port", True)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "asks for a login"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "does not allow this address"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "does not reach the server"),
        (b"SSH-2.0\r\n\r\n", "gives no connection"),
    ],
)
def test_faults_of_a_proxy(kits: Path, reply: bytes, words: str) -> None:
    with listening(replying(reply)) as port:
        environment = {"https_proxy": f"http://me:secret@127.0.0.1:{port}"}
        found = faults(
            connection.check_connection(pointed(kits, "far.example.org:443"), environment)
        )
    assert len(found) == 1
    assert words in found[0][1]
    assert "secret" not in found[0][1].replace("PASSWORD", "")
    gone = {"https_proxy": "http://127.0.0.1:9"}
    ((_, told),) = faults(connection.check_connection(kits / "ours" / "a", gone))
    assert "the proxy 127.0.0.1:9 cannot be reached" in told
    unknown = {"https_proxy": "http://no.invalid:1"}
    ((_, told),) = faults(connection.check_connection(kits / "ours" / "a", unknown))
    assert "check the name of the proxy" in told


def test_a_proxy_is_asked_for_the_server_with_its_login(kits: Path) -> None:
    """RFC 7617: user:pass in base64, of which that of the RFC's example is known."""
    asked: list[bytes] = []

    def answer(raw: socket.socket) -> None:
        asked.append(raw.recv(4096))
        raw.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with listening(answer) as port:
        login = "Aladdin:open%20sesame"
        environment = {"http_proxy": f"http://{login}@127.0.0.1:{port}"}
        kit = pointed(kits, "far.example.org:443")
        found = list(connection.check_connection(kit, environment))
    assert asked[0].startswith(b"CONNECT far.example.org:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n" in asked[0]
    assert [f.what for f in found[:3]] == ["proxy", "name", "port"]
    assert "sesame" not in " ".join(f.words for f in found)


@pytest.mark.parametrize(
    "url",
    ["http://me:pa/ss@proxy:3128", "http://me:12345#x@proxy:3128", "proxy:3128", "http://p:x"],
)
def test_a_proxy_that_cannot_be_read_is_a_fault_without_its_password(kits: Path, url: str) -> None:
    ((what, told),) = faults(connection.check_connection(kits / "ours" / "a", {"http_proxy": url}))
    assert what == "proxy"
    assert "http_proxy must be http://HOST:PORT" in told
    assert "pa/ss" not in told
    assert "12345" not in told
