"""One live process and one key for each site: the server refuses others, and tells both.

FLARE gives the connection of a site to whoever comes last with a certificate of its name, such as a
copy of its kit. This component, which server and sites load at their start, lets the one that is
connected keep it, unless another comes with a newer certificate: from the first connection with a
renewed key on, the older one is refused. A site that restarts is known by its installation.
"""

import json
import os
import socket
import time
import uuid
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from cryptography.x509 import load_pem_x509_certificate
from nvflare.apis.fl_component import FLComponent
from nvflare.fuel.f3.cellnet.fqcn import FQCN
from nvflare.fuel.f3.drivers.driver_params import DriverParams
from nvflare.fuel.f3.sfm.conn_manager import ConnManager, Mode
from nvflare.fuel.f3.sfm.constants import HandshakeKeys, Types

from flame.core.files import write_text
from flame.federation.flare.notices import KIT_VARIABLE, NOTICES, note

NEWEST = "certificates.json"
"""File in the server's kit: when the newest certificate of each site was made."""
_INSTALLATION, _NOTICE = "flame_installation", "flame_notice"
"""Keys of the greeting that both ends of a connection exchange."""
_FAREWELL_S = 2.0
"""Time in s that a refusal has to arrive before the connection is closed."""
_ALIVE_S = 30.0
"""Time in s without a sign of life after which a connection counts as dead; FLARE's sites send a
heartbeat every 10 s."""
_COPIED = (
    "a copy of this kit at {where} was refused; if it is not yours, tell the admin and renew the "
    "kit"
)
_WRITING = Lock()


def installation_of(kit: Path) -> str:
    """Identify the place where a kit is used, which a copy elsewhere does not share.

    Args:
        kit: folder of the kit.

    Returns:
        Digest of machine and folder.
    """
    machine = Path("/etc/machine-id")
    number = machine.read_text().strip() if machine.exists() else f"{uuid.getnode()}"
    place = f"{number} {socket.gethostname()} {kit.resolve()}"
    return sha256(place.encode()).hexdigest()[:16]


class OneProcess(FLComponent):  # type: ignore[misc]
    """Component of FLARE's process that replaces how a connection gets the name of a site."""

    def __init__(self) -> None:
        super().__init__()
        kit = Path(os.environ.get(KIT_VARIABLE, ""))
        guard(ConnManager, installation_of(kit), kit)


def guard(manager: Any, installation: str, kit: Path) -> None:
    """Change a class of FLARE so that a name stays with its newest certificate and live connection.

    Args:
        manager: ``ConnManager``, or a stand-in in a test.
        installation: where this process runs; see ``installation_of``.
        kit: the kit of this process, for what it writes down.
    """
    begin, greet = manager.__init__, manager.update_endpoint

    def beginning(self: Any, local_endpoint: Any, *args: Any, **kwargs: Any) -> None:
        local_endpoint.set_prop(_INSTALLATION, installation)
        begin(self, local_endpoint, *args, **kwargs)

    def greeting(self: Any, connection: Any, data: dict[str, Any]) -> None:
        if _NOTICE in data:
            if connection.conn.connector.mode == Mode.ACTIVE:  # from the server, not from a visitor
                note(kit / NOTICES, str(data[_NOTICE]))
            return
        name = FQCN.normalize(data[HandshakeKeys.ENDPOINT_NAME])
        site, made = name.partition(".")[0], made_at(connection)
        if _property(connection, DriverParams.PEER_CN) == site and made is not None:
            if is_replaced(kit, site, made):
                _refuse(connection, name, kit, "it has been renewed; use the renewed kit")
                return
            live = _live_connection(self, connection, name, data.get(_INSTALLATION, ""), made)
            if live is not None:
                where = _property(connection, DriverParams.PEER_ADDR)
                _refuse(connection, name, kit, f"{name} is connected from elsewhere")
                _tell(live, name, _COPIED.format(where=where))
                return
            remember(kit, site, made)
        greet(self, connection, data)

    manager.__init__, manager.update_endpoint = beginning, greeting


def made_at(connection: Any) -> datetime | None:
    """Return from when on the certificate of the other end is valid; None if none is shown."""
    context = getattr(connection.conn, "context", None)
    shown = context.auth_context().get("x509_pem_cert") if context else None
    return load_pem_x509_certificate(shown[0]).not_valid_before_utc if shown else None


def is_replaced(kit: Path, site: str, made: datetime) -> bool:
    """Check whether a site has connected with a newer certificate before.

    Args:
        kit: the server's kit.
        site: name of the site.
        made: from when on its certificate is valid.

    Returns:
        True if a newer one is known.
    """
    newest = _known(kit).get(site)
    return bool(newest) and made < datetime.fromisoformat(str(newest))


def remember(kit: Path, site: str, made: datetime) -> None:
    """Write down the certificate of a site that has proved to have its key.

    Args:
        kit: the server's kit.
        site: name of the site.
        made: from when on its certificate is valid.
    """
    with _WRITING:
        known = _known(kit)
        if known.get(site) != made.isoformat():
            write_text(kit / NEWEST, json.dumps({**known, site: made.isoformat()}, indent=1))


def _known(kit: Path) -> dict[str, str]:
    path = kit / NEWEST
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _live_connection(
    manager: Any, connection: Any, name: str, installation: str, made: datetime
) -> Any:
    """Return the live connection of another installation that may keep this name, if there is one.

    One with an older certificate may not.
    """
    known = manager.sfm_endpoints.get(name)
    if known is None or known.endpoint.get_prop(_INSTALLATION) in (None, installation):
        return None
    for other in known.connections:
        is_alive = time.time() - other.last_activity < _ALIVE_S
        since = made_at(other)
        if other is not connection and is_alive and since is not None and since >= made:
            return other
    return None


def _property(connection: Any, key: DriverParams) -> str:
    return str(connection.conn.get_conn_properties().get(key.value, ""))


def _refuse(connection: Any, name: str, kit: Path, why: str) -> None:
    """Tell the other end and this one why, and close the connection once that has arrived."""
    where = _property(connection, DriverParams.PEER_ADDR)
    _tell(connection, name, f"the server refuses this kit: {why}")
    note(kit / NOTICES, f"refused: {name} from {where}: {why}; is its kit copied?")
    Timer(_FAREWELL_S, connection.conn.close).start()


def _tell(connection: Any, name: str, notice: str) -> None:
    connection.send_dict(Types.READY, 1, {HandshakeKeys.ENDPOINT_NAME: name, _NOTICE: notice})
