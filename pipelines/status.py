"""``flame status``: who is connected to a federation, and its jobs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Status:
    """Connected sites, and the newest jobs."""

    sites: tuple[str, ...]
    jobs: list[dict[str, str]]


def run(kit: Path) -> Status:
    """Ask the server with the lead's ``kit``."""
    from flame.federation.flare.admin import AdminSession
    from flame.federation.flare.daemon import LEAD, check_kit

    admin = AdminSession(check_kit(kit, LEAD), patience_s=0)
    return Status(admin.sites(), admin.jobs())
