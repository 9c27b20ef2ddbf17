"""Names of the files of a run folder, each with what it holds."""

import re
from pathlib import Path

from flame.core.config import as_toml
from flame.core.errors import Refusal

CONFIG = "run.toml"
"""The resolved configuration."""
MANIFEST = "data.json"
"""Hashes of the data of each centre."""
PLUGINS = "plugins.json"
"""Hashes of the plug-in files that the run was started with."""
LOCK = ".lock"
"""Lock file of the process that writes the run."""
WARNINGS = "warnings.txt"
"""Warnings of the training, one per line."""
MODELS = "models"
"""Folder of checkpoints, one per training; a checkpoint becomes the model once it is finished."""
NETWORKS = "networks"
"""Folder of the federated networks for Keras."""
NETWORK_INPUTS = "inputs.csv"
"""Mean and standard deviation of the inputs of each network, in the folder ``NETWORKS``."""
HISTORY = "history.csv"
"""One row per round and site."""
PRIVACY = "privacy.csv"
"""Epsilon of each centre."""
STREAM_PAGE = "stream.html"
"""Page of a run of ``flame stream``."""
RUN_NAME = "run-name.txt"
"""Name of the run at the server of a real federation."""
PROGRESS = "progress.json"
"""Steps done and the total, as NVIDIA FLARE's server writes them."""
ERROR = "flare-error.json"
"""Reason why NVIDIA FLARE's server failed."""
ROUNDS = "rounds.log"
"""One line per round, which ``flame serve`` prints."""
FLARE_LOG = "flare.log"
"""Output of NVIDIA FLARE's simulator."""
ELSEWHERE = "at-each-site"
"""Stands for the data of a run whose patients are at their hospitals."""
CROSS_SITE = "cross_site.csv"
"""Metrics of every model at every site of a real federation."""
RESULTS = "results"
"""Tables that sites of a stream have sent, a folder for each site."""
DRIFT = "drift.csv"
"""Alarms of a stream by its features."""
RESULT_FILE = rf"[A-Za-z0-9][\w.+-]*\.seed-\d+\.csv|{re.escape(DRIFT)}"
"""Pattern of the names of tables that a server accepts from the sites of a stream."""
PEERS = "peers"
"""Models of sites that learn peer to peer in a simulation, one folder per site."""
RUNS = "flame-runs"
"""Folder of runs in the kit of a server or of a site that learns peer to peer."""
REPORT = "report.html"
"""Page that ``flame evaluate`` writes."""
MODEL_CARD = "model_card.md"
"""Model card that ``flame evaluate`` writes."""
SCORES = "scores.csv"
"""Metrics that ``flame evaluate`` writes; further tables are named after their content."""
MONITOR_PAGE = "monitor.html"
"""Page that ``flame monitor`` writes."""
COHORTS_PAGE = "describe.html"
"""Page that ``flame describe`` writes."""

FORMAT = "# FLAME run, sizes in the patient's own millimetres"
"""First line of the configuration of a run. Runs without it measured after an affine fit to the
template."""


def config_text(config: object) -> str:
    """Return the text of the file ``CONFIG``.

    Args:
        config: the configuration of the run.

    Returns:
        Line ``FORMAT``, and the configuration as TOML.
    """
    return f"{FORMAT}\n{as_toml(config)}"


def is_kit(folder: Path) -> bool:
    """Check whether a folder is the kit of a server.

    Args:
        folder: the folder.

    Returns:
        True for a kit, False for the folder of a simulation.
    """
    return (folder / "startup" / "fed_server.json").exists()


def folder_of_run(kit: Path, name: str) -> Path:
    """Return the folder of a run in a kit, whatever name the admin gave it.

    Args:
        kit: the kit of the server or of a site.
        name: name of the run.

    Returns:
        The folder, directly below the folder of all runs.

    Raises:
        Refusal: the name could lead elsewhere.

    Example:
        >>> folder_of_run(Path("kit"), "../../etc")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        flame.core.errors.Refusal: keeps runs in its own kit only...
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise Refusal("keeps runs in its own kit only, by names of letters, digits, - and _")
    return kit / RUNS / name
