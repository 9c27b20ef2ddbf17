"""Counts the models that others have had tested on a site's patients, over all runs."""

import json
from pathlib import Path

from flame.core.errors import Refusal
from flame.core.files import locked, write_text

PROBES_FILE = "validated.json"
"""Name of the file in the kit of a site."""


def count_probe(path: Path, probe: str, most: int) -> None:
    """Note that a model is tested here; a model that was tested before counts once.

    Replies to many similar models could tell single patients apart, so their number is limited.

    Args:
        path: file of the models so far.
        probe: digest of the model.
        most: most different models.

    Raises:
        Refusal: as many others have been tested already.
    """
    with locked(path.with_suffix(".lock"), wait=True):
        tested = json.loads(path.read_text()) if path.exists() else []
        if probe in tested:
            return
        if len(tested) >= most:
            raise Refusal(
                f"has had {most} models validated, as many as validations in its policy.toml"
            )
        write_text(path, json.dumps([*tested, probe], indent=1), private=True)
