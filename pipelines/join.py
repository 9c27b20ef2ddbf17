"""``flame join``: the site of one hospital, in the foreground."""

from collections.abc import Callable
from pathlib import Path

from flame.core.errors import BadInput
from flame.federation.privacy.audit_log import AUDIT_FILE
from flame.federation.privacy.site_policy import POLICY_FILE, read_policy


def run(kit: Path, data: Path, say: Callable[[str], None]) -> None:
    """Run the site of a hospital until it is stopped.

    Args:
        kit: start-up kit of the site.
        data: BIDS derivatives of the hospital, or its table.
        say: called with each line of output.

    Raises:
        BadInput: the kit, the data or the policy cannot be used; nothing was connected.
    """
    from flame.federation.flare.daemon import SITE, check_kit, keep_running, server_of
    from flame.federation.flare.site import DATA_VARIABLE

    kit = check_kit(kit, SITE)
    if data.is_dir() and not (data / "dataset_description.json").exists():
        raise BadInput(f"{data} holds no BIDS derivatives; give the OUT of flame preprocess")
    if not data.exists():
        raise BadInput(f"no data at {data}: a folder of flame preprocess, or a CSV table")
    if kit in data.resolve().parents:
        raise BadInput(f"{data} is inside the kit, which others can list; keep data elsewhere")
    read_policy(kit / "local" / POLICY_FILE)
    say(f"joining {server_of(kit)}; every message sent is logged in {kit / AUDIT_FILE}")
    keep_running(kit, {DATA_VARIABLE: str(data.resolve())}, say)
