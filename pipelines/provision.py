"""``flame provision``: start-up kits for the server, the lead and every hospital."""

from pathlib import Path

from flame.core.config import load_config


def run(project: Path, out: Path) -> list[Path]:
    """Write kits below ``out``; those that are there already are left as they are."""
    from flame.federation.flare.provisioning import Project, provision

    settings = load_config(Project, project, [])
    out.parent.mkdir(parents=True, exist_ok=True)
    return provision(settings, out)
