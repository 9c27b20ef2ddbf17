"""``flame join``: the site of one hospital, in the foreground."""

import os
from collections.abc import Callable
from pathlib import Path

from flame.core.error_log import log_of
from flame.core.errors import BadInput
from flame.federation.privacy.audit_log import AUDIT_FILE
from flame.pipelines.serve import with_dashboard


def run(kit: Path, data: Path, say: Callable[[str], None], dashboard: int | None = None) -> None:
    """Run the site of a hospital until it is stopped.

    Args:
        kit: start-up kit of the site.
        data: BIDS derivatives of the hospital, or its table.
        say: called with each line of output.
        dashboard: port of a dashboard on this machine, 0 for any; None: there is none.

    Raises:
        BadInput: the kit, the data or the policy cannot be used; nothing was connected.
        FlameError: the kit is already running.
    """
    from flame.federation.flare.daemon import keep_running
    from flame.federation.flare.kit import SITE, check_kit, server_of
    from flame.federation.flare.kit_checks import check_here
    from flame.federation.flare.site import DATA_VARIABLE

    kit = check_kit(kit, SITE)
    check_data(kit, data)
    for found in check_here(kit):
        if found.level == "fault":
            raise BadInput(f"{found.what}: {found.words}")
    say(f"joining {server_of(kit)}; every message sent is logged in {kit / AUDIT_FILE}")
    say(f"errors are explained in {log_of(kit)}")
    with with_dashboard(dashboard, kit, data.resolve(), say) as told:
        keep_running(kit, {DATA_VARIABLE: str(data.resolve())}, told)


def check_data(kit: Path, data: Path) -> None:
    """Check that a hospital's data can be used with a kit, without reading them.

    Args:
        kit: start-up kit of the site.
        data: BIDS derivatives of the hospital, or its table.

    Raises:
        BadInput: there are none, or they lie in the kit.
    """
    if data.is_dir() and not (data / "dataset_description.json").exists():
        raise BadInput(f"{data} holds no BIDS derivatives; give the OUT of flame preprocess")
    if not data.exists():
        raise BadInput(f"no data at {data}: a folder of flame preprocess, or a CSV table")
    if kit.resolve() in data.resolve().parents:
        raise BadInput(f"{data} is inside the kit, which others can list; keep data elsewhere")
    if not os.access(data, os.R_OK):
        raise BadInput(f"{data} cannot be read by this user: chmod it, or start as its owner")
