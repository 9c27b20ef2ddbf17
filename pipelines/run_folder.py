"""The folder of a run: whether it is there already, and refused where something else is."""

from pathlib import Path

from flame.core.config import as_toml
from flame.core.errors import BadInput
from flame.federation.config import CONFIG_FILE


def holds_run(out: Path, config: object) -> bool:
    """Whether ``out`` holds a run of ``config``; BadInput where it holds anything else."""
    path = out / CONFIG_FILE
    if path.exists():
        if path.read_text(encoding="utf-8") != as_toml(config):
            raise BadInput(f"{out} holds a run with another configuration; give a new --out")
        return True
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} is not empty and holds no run; give a new folder to --out")
    return False
