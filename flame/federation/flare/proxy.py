"""The HTTP proxy on the way to a server, as gRPC chooses and uses it."""

import base64
import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from flame.core.errors import BadInput

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCEPTIONS = ("no_grpc_proxy", "no_proxy")
"""Environment variables in the order in which gRPC's core reads them."""
_LONGEST = 65_536


def proxy_of(host: str, environment: Mapping[str, str]) -> SplitResult | None:
    """Find the proxy by which gRPC connects to a host.

    Args:
        host: name or address of the server.
        environment: environment variables.

    Returns:
        The proxy's URL; None if it connects directly.

    Raises:
        BadInput: the variable is no URL that gRPC can use; the message holds no password.

    Example:
        >>> proxy = proxy_of("fl.example.org", {"https_proxy": "http://me:secret@proxy:3128"})
        >>> proxy.hostname, proxy.port
        ('proxy', 3128)
        >>> proxy_of("fl.example.org", {"https_proxy": "http://proxy:1", "no_proxy": "example.org"})
    """
    variable = next((name for name in _PROXIES if environment.get(name)), "")
    if not variable:
        return None
    excepted = next((environment[name] for name in _EXCEPTIONS if environment.get(name)), "")
    if any(_covers(entry.strip(), host) for entry in excepted.split(",") if entry.strip()):
        return None
    url = urlsplit(environment[variable])
    try:
        usable = url.scheme == "http" and bool(url.hostname) and url.port is not None
    except ValueError:
        usable = False
    if not usable or url.fragment or url.path.strip("/"):
        raise BadInput(
            f"{variable} must be http://HOST:PORT or http://NAME:PASSWORD@HOST:PORT, with / # : "
            "and @ in name and password written as %2F %23 %3A %40"
        )
    return url


def _covers(entry: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return host.endswith(entry)


def through(proxy: SplitResult, host: str, port: int, seconds: float) -> socket.socket:
    """Connect to a server through a proxy by CONNECT (RFC 9110, section 9.3.6).

    Args:
        proxy: URL of the proxy, with name and password if it asks for them.
        host: name or address of the server.
        port: port of the server.
        seconds: time-out in s.

    Returns:
        The connection to the server.

    Raises:
        OSError: the proxy is not reachable, or refuses; the message says why, without a password.
    """
    where = f"{proxy.hostname}:{proxy.port}"
    try:
        raw = socket.create_connection((proxy.hostname or "", proxy.port or 80), timeout=seconds)
    except OSError as error:
        raise OSError(f"the proxy {where} cannot be reached ({error.strerror or error})") from None
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
    if proxy.username:
        login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
    raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < _LONGEST:
        chunk = raw.recv(4096)
        if not chunk:
            break
        answer += chunk
    status = answer.split(b"\r\n")[0].decode(errors="replace").split(" ", 2)
    if len(status) > 1 and status[1] == "200":
        return raw
    raw.close()
    raise OSError(_refusal(status[1] if len(status) > 1 else "", where))


def _refusal(code: str, proxy: str) -> str:
    if code == "407":
        return f"the proxy {proxy} asks for a login: set https_proxy=http://NAME:PASSWORD@HOST:PORT"
    if code == "403":
        return f"the proxy {proxy} does not allow this address: have it allowed for CONNECT"
    if code in ("502", "503", "504"):
        return (
            f"the proxy {proxy} does not reach the server ({code}): start flame serve, or check it"
        )
    return f"the proxy {proxy} gives no connection (answer {code or 'none'})"
