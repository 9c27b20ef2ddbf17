"""One live process for each kit: the server refuses a second one, and tells both.

FLARE gives the connection of a site to whoever comes last with its certificate, such as a copy of
its kit. This component, which server and sites load at their start, lets the one that is connected
keep it. A site that restarts is known by its installation and is let in at once.
"""

import os
import socket
import time
import uuid
from hashlib import sha256
from pathlib import Path
from threading import Timer
from typing import Any

from nvflare.apis.fl_component import FLComponent
from nvflare.fuel.f3.drivers.driver_params import DriverParams
from nvflare.fuel.f3.sfm.conn_manager import ConnManager
from nvflare.fuel.f3.sfm.constants import HandshakeKeys, Types

from flame.federation.flare.notices import KIT_VARIABLE, NOTICES, note

_INSTALLATION, _NOTICE = "flame_installation", "flame_notice"
"""Keys of the greeting that both ends of a connection exchange."""
_FAREWELL_S = 2.0
"""Time in s that a refusal has to arrive before the connection is closed."""
_COPIED = (
    "a copy of this kit at {where} was refused; if it is not yours, tell the admin and renew the "
    "kit"
)
_ALIVE_S = 30.0
"""Time in s without a sign of life after which a connection counts as dead; FLARE's sites send a
heartbeat every 10 s."""


def installation_of(kit: Path) -> str:
    """Identify the place where a kit is used, which a copy elsewhere does not share.

    Args:
        kit: folder of the kit.

    Returns:
        Digest of machine and folder, from which neither can be told.
    """
    place = f"{uuid.getnode()} {socket.gethostname()} {kit.resolve()}"
    return sha256(place.encode()).hexdigest()[:16]


class OneProcess(FLComponent):  # type: ignore[misc]
    """Component of FLARE's process that replaces how a connection gets the name of a site."""

    def __init__(self) -> None:
        super().__init__()
        kit = Path(os.environ.get(KIT_VARIABLE, ""))
        guard(ConnManager, installation_of(kit), kit / NOTICES)


def guard(manager: Any, installation: str, notices: Path) -> None:
    """Change a class of FLARE so that a name stays with its first live connection.

    Args:
        manager: ``ConnManager``, or a stand-in in a test.
        installation: where this process runs; see ``installation_of``.
        notices: log for messages in words.
    """
    begin, greet = manager.__init__, manager.update_endpoint
    told: set[tuple[str, str]] = set()

    def beginning(self: Any, local_endpoint: Any, *args: Any, **kwargs: Any) -> None:
        local_endpoint.set_prop(_INSTALLATION, installation)
        begin(self, local_endpoint, *args, **kwargs)

    def greeting(self: Any, connection: Any, data: dict[str, Any]) -> None:
        if notice := data.pop(_NOTICE, ""):
            note(notices, notice)
            return
        name, other = data[HandshakeKeys.ENDPOINT_NAME], data.get(_INSTALLATION, "")
        live = _live_connection(self, connection, name, other)
        if live is None:
            greet(self, connection, data)
            return
        where = _address(connection)
        _tell(connection, name, f"the server refuses this kit: {name} is connected from elsewhere")
        if (name, other) not in told:
            told.add((name, other))
            note(notices, f"refused: a second process of {name} from {where}; is its kit copied?")
            _tell(live, name, _COPIED.format(where=where))
        Timer(_FAREWELL_S, connection.conn.close).start()

    manager.__init__, manager.update_endpoint = beginning, greeting


def _live_connection(manager: Any, connection: Any, name: str, installation: str) -> Any:
    """Return the live connection of another installation that has this name, if there is one."""
    if connection.conn.get_conn_properties().get(DriverParams.PEER_CN.value) != name:
        return None  # FLARE refuses who is not what he claims to be
    known = manager.sfm_endpoints.get(name)
    if known is None or known.endpoint.get_prop(_INSTALLATION) in (None, installation):
        return None
    others = [c for c in known.connections if c is not connection]
    alive = [c for c in others if time.time() - c.last_activity < _ALIVE_S]
    return alive[0] if alive else None


def _address(connection: Any) -> str:
    found = connection.conn.get_conn_properties()
    return str(found.get(DriverParams.PEER_ADDR.value, "an unknown address"))


def _tell(connection: Any, name: str, notice: str) -> None:
    connection.send_dict(Types.READY, 1, {HandshakeKeys.ENDPOINT_NAME: name, _NOTICE: notice})
