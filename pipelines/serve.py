"""``flame serve``: the server of a federation, in the foreground."""

from collections.abc import Callable
from pathlib import Path


def run(kit: Path, say: Callable[[str], None]) -> None:
    """Run the server of a federation until it is stopped.

    Args:
        kit: start-up kit of the server.
        say: called with each line of output.

    Raises:
        BadInput: the folder is no kit of a server, its certificate is not valid today, or a port is
            in use.
        FlameError: the kit is already running.
    """
    from flame.federation.flare.daemon import keep_running
    from flame.federation.flare.kit import SERVER, check_kit, check_ports

    kit = check_kit(kit, SERVER)
    check_ports(kit)
    keep_running(kit, {}, say)
