"""A renewed key replaces the one before: the server refuses an older certificate of a site.

So whoever has stolen a kit is shut out as soon as the hospital has renewed it.
"""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from nvflare.apis.fl_component import FLComponent
from nvflare.apis.fl_constant import FLContextKey
from nvflare.fuel.f3.cellnet.defs import IdentityChallengeKey
from nvflare.private.defs import CellMessageHeaderKeys
from nvflare.private.fed.server.client_manager import ClientManager
from nvflare.private.fed.utils.identity_utils import load_crt_chain_bytes

from flame.core.files import write_text
from flame.federation.flare.notices import KIT_VARIABLE, NOTICES, note

NEWEST = "certificates.json"
"""File in the server's kit: when the newest certificate of each site was made."""


class RenewedKeys(FLComponent):  # type: ignore[misc]
    """Component of FLARE's server that checks how old the certificate of a site is."""

    def __init__(self) -> None:
        super().__init__()
        refuse_older(ClientManager, Path(os.environ.get(KIT_VARIABLE, "")))


def refuse_older(manager: Any, kit: Path) -> None:
    """Change a class of FLARE so that it refuses certificates that were replaced.

    Args:
        manager: ``ClientManager``, or a stand-in in a test.
        kit: the server's kit.
    """
    admit = manager.authenticated_client

    def admitting(self: Any, request: Any, fl_ctx: Any, client_type: str) -> Any:
        name = request.get_header(CellMessageHeaderKeys.CLIENT_NAME)
        shown = request.payload.get(IdentityChallengeKey.CERT) if request.payload else None
        made = load_crt_chain_bytes(shown)[0].not_valid_before_utc if shown else None
        if made and is_replaced(kit, name, made):
            why = f"the certificate of {name} has been replaced by a newer one"
            fl_ctx.set_prop(FLContextKey.UNAUTHENTICATED, why, sticky=False)
            note(kit / NOTICES, f"refused: {why}; whoever has the old kit cannot join")
            return None
        client = admit(self, request, fl_ctx, client_type)
        if client and made:  # only now its owner has proved to have the key
            remember(kit, name, made)
        return client

    manager.authenticated_client = admitting


def is_replaced(kit: Path, name: str, made: datetime) -> bool:
    """Check whether a site has joined with a newer certificate before.

    Args:
        kit: the server's kit.
        name: name of the site.
        made: from when on its certificate is valid.

    Returns:
        True if a newer one is known.
    """
    newest = _known(kit).get(name)
    return bool(newest) and made < datetime.fromisoformat(str(newest))


def remember(kit: Path, name: str, made: datetime) -> None:
    """Write down the certificate of a site that has joined.

    Args:
        kit: the server's kit.
        name: name of the site.
        made: from when on its certificate is valid.
    """
    known = _known(kit)
    if known.get(name) != made.isoformat():
        write_text(kit / NEWEST, json.dumps({**known, name: made.isoformat()}, indent=1))


def _known(kit: Path) -> dict[str, str]:
    path = kit / NEWEST
    return dict(json.loads(path.read_text())) if path.exists() else {}
