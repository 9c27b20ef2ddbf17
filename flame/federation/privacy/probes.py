"""Counts what others may vary from run to run: models, choices of patients, and whole runs."""

import json
from pathlib import Path

from flame.core.errors import Refusal
from flame.core.files import locked, write_text

PROBES_FILE = "validated.json"
"""Name of the file of models in the kit of a site."""
SELECTIONS_FILE = "selected.json"
"""Name of the file of choices of patients in the kit of a site."""
RUNS_FILE = "runs.json"
"""Name of the file of jobs in the kit of a site."""


def count_probe(path: Path, probe: str, most: int, told: str) -> None:
    """Note a choice of who leads a run; one that was made before counts once.

    Replies to many similar choices could tell single patients apart, so their number is limited.

    Args:
        path: file of the choices so far.
        probe: digest of the choice.
        most: most different ones.
        told: reason of the refusal, with ``{most}``.

    Raises:
        Refusal: as many others have been tested already.
    """
    with locked(path.with_suffix(".lock"), wait=True):
        tested = json.loads(path.read_text()) if path.exists() else []
        if probe in tested:
            return
        if len(tested) >= most:
            raise Refusal(f"{told.format(most=most)} in its policy.toml")
        write_text(path, json.dumps([*tested, probe], indent=1), private=True)
