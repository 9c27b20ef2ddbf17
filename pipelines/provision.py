"""``flame provision``: start-up kits for the server, the admin and every hospital."""

from pathlib import Path

from flame.core.config import load_config


def run(project: Path, out: Path) -> list[Path]:
    """Write a start-up kit for each participant that has none yet.

    Args:
        project: TOML file of the federation.
        out: folder of the kits.

    Returns:
        Folders of the new kits.

    Raises:
        BadInput: the file is missing or not valid.
        FlameError: NVIDIA FLARE's provisioning failed.
    """
    from flame.federation.flare.provisioning import Project, provision

    settings = load_config(Project, project, [])
    out.parent.mkdir(parents=True, exist_ok=True)
    return provision(settings, out)
