"""Start-up kits: their kinds, and what they say of the server."""

import json
import socket
from pathlib import Path

from flame.core.errors import BadInput
from flame.federation.flare.keys import check_dates

SERVER = "fed_server.json"
"""File in ``startup`` that identifies the kit of a server."""
SITE = "fed_client.json"
"""File in ``startup`` that identifies the kit of a site."""
ADMIN = "fed_admin.json"
"""File in ``startup`` that identifies the kit of an admin."""


def check_kit(kit: Path, kind: str) -> Path:
    """Check that a folder is a start-up kit of the right kind.

    Args:
        kit: the folder.
        kind: kind of the kit: ``SERVER``, ``SITE`` or ``ADMIN``.

    Returns:
        The absolute path of the kit.

    Raises:
        BadInput: the folder is no kit, or a kit of another kind, or its certificate is not valid
            today.
    """
    found = kind_of(kit)
    if found != kind:
        commands = {SERVER: "serve", SITE: "join", ADMIN: "submit"}
        raise BadInput(
            f"{kit} is a kit for flame {commands[found]}, not for flame {commands[kind]}"
        )
    check_dates(kit)
    return kit.resolve()


def kind_of(kit: Path) -> str:
    """Return the kind of a kit.

    Args:
        kit: the folder.

    Returns:
        ``SERVER``, ``SITE`` or ``ADMIN``.

    Raises:
        BadInput: the folder is no kit.
    """
    for kind in (SERVER, SITE, ADMIN):
        if (kit / "startup" / kind).exists():
            return kind
    raise BadInput(f"{kit} is not a start-up kit; make kits with flame provision")


def server_of(kit: Path) -> str:
    """Return the address that a site connects to.

    Args:
        kit: the kit of the site.

    Returns:
        The address as host:port.
    """
    startup = json.loads((kit / "startup" / SITE).read_text())
    return str(startup["servers"][0]["service"]["target"])


def address_of(kit: Path) -> tuple[str, int]:
    """Return where a site or an admin connects to.

    Args:
        kit: kit of a site or of an admin.

    Returns:
        Host and port.
    """
    if kind_of(kit) == ADMIN:
        admin = json.loads((kit / "startup" / ADMIN).read_text())["admin"]
        return str(admin["host"]), int(admin["port"])
    host, _, port = server_of(kit).rpartition(":")
    return host, int(port)


def site_of(kit: Path) -> str:
    """Return the name of the site that a kit is for."""
    return str(json.loads((kit / "startup" / SITE).read_text())["client"]["fqsn"])


def check_ports(kit: Path) -> None:
    """Check that the ports of a server are free.

    Args:
        kit: the kit of the server.

    Raises:
        BadInput: another program listens on a port.
    """
    described = json.loads((kit / "startup" / SERVER).read_text())["servers"][0]
    ports = (described["service"]["target"].rpartition(":")[2], described["admin_port"])
    for port in sorted(set(map(int, ports))):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError as error:
                raise BadInput(
                    f"port {port} cannot be used ({error.strerror}): stop the program that listens "
                    "on it, or give another port in the project and provision again"
                ) from None
