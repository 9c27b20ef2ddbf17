"""Checks of the way from a kit to its server: name, port, proxy, TLS and certificates."""

import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from flame.core.errors import BadInput
from flame.federation.flare.findings import Finding, fault, good, warning
from flame.federation.flare.keys import CERTIFICATE, KEY
from flame.federation.flare.kit import address_of
from flame.federation.flare.proxy import proxy_of, through

_WAIT_S = 5.0
"""Time in s for a name, a connection and a handshake each."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
"""First bytes of an HTTP/2 client (RFC 9113, section 3.4), with empty settings."""


def check_connection(kit: Path, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Check the way to the server step by step, up to the first fault.

    Args:
        kit: kit of a site or of an admin.
        environment: environment variables, which may name a proxy.

    Yields:
        The findings.
    """
    host, port = address_of(kit)
    try:
        proxy = proxy_of(host, environment)
    except BadInput as error:
        yield fault("proxy", str(error))
        return
    if proxy:
        shown = f"{proxy.hostname}:{proxy.port}"
        yield good("proxy", f"{shown}; hosts in no_proxy are reached directly")
    found = _resolved(proxy.hostname or "" if proxy else host, proxy is not None)
    yield found
    if found.level == "fault":
        return
    try:
        if proxy:
            raw = through(proxy, host, port, _WAIT_S)
        else:
            raw = socket.create_connection((host, port), timeout=_WAIT_S)
    except OSError as error:
        yield fault("port", _no_way(error, host, port))
        return
    yield good("port", f"{host}:{port} answers")
    with raw:
        yield from _handshake(kit, raw, host)


def why_not_connected(kit: Path) -> str:
    """Return the first fault on the way to the server, in words; empty if there is none."""
    return next((f.words for f in check_connection(kit) if f.level == "fault"), "")


def _resolved(host: str, is_proxy: bool) -> Finding:
    try:
        addresses = sorted({str(i[4][0]) for i in socket.getaddrinfo(host, None)})
    except OSError:
        whose = "the proxy" if is_proxy else "the server"
        return fault("name", f"no address for {host}: check the name of {whose} and the DNS")
    return good("name", f"{host} is {', '.join(addresses)}")


def _no_way(error: OSError, host: str, port: int) -> str:
    where = f"{host}:{port}"
    if isinstance(error, ConnectionRefusedError):
        return f"{where} refuses connections: start flame serve there, or open the port"
    if isinstance(error, TimeoutError):
        return f"{where} does not answer: a firewall drops the connection, or the machine is off"
    return f"no way to {where}: {error.strerror or error}"


def _handshake(kit: Path, raw: socket.socket, host: str) -> Iterator[Finding]:
    startup = kit / "startup"
    context = ssl.create_default_context(cafile=str(startup / "rootCA.pem"))
    context.set_alpn_protocols(["h2"])
    try:
        context.load_cert_chain(str(startup / CERTIFICATE), str(startup / KEY))
    except (OSError, ssl.SSLError):
        return  # the certificate itself is checked, and named, elsewhere
    try:
        with context.wrap_socket(raw, server_hostname=host) as secure:
            version = secure.version()
            yield good("TLS", f"{version}, and the server is who it claims to be")
            yield _admitted(secure)
    except ssl.SSLCertVerificationError as error:
        yield fault("TLS", _not_trusted(error, host))
    except (ssl.SSLError, OSError) as error:
        yield fault("TLS", _no_tls(error))


def _admitted(secure: ssl.SSLSocket) -> Finding:
    """Check that the server goes on after it has seen the kit's certificate."""
    try:
        secure.sendall(_PREFACE)
        if secure.recv(16):
            return good("identity", "the certificate of this kit is of the server's federation")
    except TimeoutError:
        return warning("identity", "the server did not answer in time")
    except (ssl.SSLError, OSError):
        pass
    return fault(
        "identity",
        "the server does not accept the certificate of this kit: it is of another federation, or "
        "has expired; ask the admin for a new kit",
    )


def _not_trusted(error: ssl.SSLCertVerificationError, host: str) -> str:
    told = error.verify_message
    if "expired" in told:
        return "the certificate of the server has expired: the admin renews the server's kit"
    if "not yet valid" in told:
        return "the certificate of the server is not valid yet: check the clock of this machine"
    if "mismatch" in told or "not valid for" in told:
        return (
            f"the certificate of the server does not name {host}: the admin adds it to hosts in "
            "the project and renews the server's kit"
        )
    return (
        "the certificate shown is not of this federation: either the server is of another one, or "
        f"a proxy on the way opens TLS; have {host} exempted from inspection"
    )


def _no_tls(error: OSError) -> str:
    reason = getattr(error, "reason", None) or ""
    if "WRONG_VERSION_NUMBER" in reason or "HTTP_REQUEST" in reason:
        return "what answers there speaks no TLS: another program has the port"
    if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
        return "the other side speaks TLS below 1.2 only: something on the way is too old"
    return f"the connection ends during the TLS handshake ({reason or error}): ask the network team"
