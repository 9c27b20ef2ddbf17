"""``flame status``: the connected sites of a federation, and its jobs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Status:
    """State of a federation.

    Args:
        sites: names of the connected sites.
        jobs: the ten newest jobs, newest first, with ``name``, ``status`` and ``submitted``.
    """

    sites: tuple[str, ...]
    jobs: list[dict[str, str]]


def run(kit: Path) -> Status:
    """Query the server for connected sites and jobs.

    Args:
        kit: start-up kit of the admin.

    Returns:
        The state of the federation.

    Raises:
        BadInput: the folder is no kit of an admin.
        FlameError: the server is not reachable.
    """
    from flame.federation.flare.admin import AdminSession
    from flame.federation.flare.kit import ADMIN, check_kit

    admin = AdminSession(check_kit(kit, ADMIN), patience_s=0)
    return Status(admin.sites(), admin.jobs())
