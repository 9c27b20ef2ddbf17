"""``flame provision`` and ``flame sign``: start-up kits for the server, the admin and hospitals."""

from collections.abc import Sequence
from pathlib import Path

from flame.core.config import load_config
from flame.core.errors import BadInput


def run(project: Path, out: Path, requests: Sequence[Path] = ()) -> list[Path]:
    """Write a start-up kit for each participant that has none yet, or answer signing requests.

    Args:
        project: TOML file of the federation.
        out: folder of the kits.
        requests: signing requests of hospitals, whose kits then hold no private key.

    Returns:
        Folders of the new kits.

    Raises:
        BadInput: the file is missing or not valid, or a request cannot be signed.
        FlameError: NVIDIA FLARE's provisioning failed.
    """
    from flame.federation.flare.keys import requested_name
    from flame.federation.flare.provisioning import Project, provision

    settings = load_config(Project, project, [])
    asked = {requested_name(path): path for path in requests}
    if len(asked) < len(requests):
        raise BadInput("several requests are of one site; give the newest")
    out.parent.mkdir(parents=True, exist_ok=True)
    return provision(settings, out, asked)
