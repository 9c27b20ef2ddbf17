"""``flame serve``: the server of a federation, in the foreground."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def run(kit: Path, say: Callable[[str], None], dashboard: int | None = None) -> None:
    """Run the server of a federation until it is stopped.

    Args:
        kit: start-up kit of the server.
        say: called with each line of output.
        dashboard: port of a dashboard on this machine, 0 for any; None: there is none.

    Raises:
        BadInput: the folder is no kit of a server, its certificate is not valid today, or a port is
            in use.
        FlameError: the kit is already running.
    """
    from flame.federation.flare.daemon import keep_running
    from flame.federation.flare.kit import SERVER, check_kit, check_ports

    kit = check_kit(kit, SERVER)
    check_ports(kit)
    with with_dashboard(dashboard, kit, None, say) as told:
        keep_running(kit, {}, told)


@contextmanager
def with_dashboard(
    port: int | None, kit: Path, data: Path | None, say: Callable[[str], None]
) -> Iterator[Callable[[str], None]]:
    """Show a dashboard during the body, if a port is given.

    Args:
        port: its port; None: there is none.
        kit: kit of a server or of a site.
        data: data of the site; None at a server.
        say: called with each line of output.

    Yields:
        What to call instead of ``say``, which the dashboard then hears.
    """
    if port is None:
        yield say
        return
    # Imported here: without pages a site needs a quarter of the memory.
    from flame.pipelines.dashboard import Dashboard, shown

    pages = Dashboard(kit, data)
    with shown(pages, port, say):
        yield pages.hears(say)
