"""The job of a run for NVIDIA FLARE, with FLARE's time-outs tied to those of the run."""

from typing import Any

from nvflare.collab.recipe import CollabRecipe

from flame.federation.config import TrainConfig, centres
from flame.federation.flare.limits import flare_timeouts
from flame.federation.flare.node_server import FlareNodes
from flame.federation.flare.node_site import FlareNode
from flame.federation.flare.running_program import least_of, times_of
from flame.federation.flare.server import FlareServer
from flame.federation.flare.site import FlareSite


def job_of(config: TrainConfig, name: str, run: str, sync_s: int) -> CollabRecipe:
    """Describe the job of a run.

    Args:
        config: the configuration of the run.
        name: name of the job.
        run: run folder in a simulation, or the name of the run at a server.
        sync_s: time in s in which the processes of all sites must have started.

    Returns:
        FLARE's recipe.
    """
    server, site = FlareServer(config.to_json(), run), FlareSite(config.to_json())
    heartbeat_s = config.federation.heartbeat_timeout_s
    return _recipe(name, server, site, len(centres(config.data)), sync_s, heartbeat_s)


def job_of_nodes(
    kind: str, config: str, names: tuple[str, ...], name: str, run: str, sync_s: int
) -> CollabRecipe:
    """Describe the job of a program.

    Args:
        kind: kind of the program.
        config: its configuration as JSON, with ``sites.timeout_s`` and ``heartbeat_timeout_s``.
        names: names of the sites.
        name: name of the job.
        run: run folder in a simulation, or the name of the run at a server.
        sync_s: time in s in which the processes of all sites must have started.

    Returns:
        FLARE's recipe.
    """
    server, site = FlareNodes(kind, config, run, list(names)), FlareNode(kind, config)
    return _recipe(name, server, site, least_of(config, names), sync_s, times_of(config)[1])


def _recipe(
    name: str, server: Any, site: Any, least: int, sync_s: int, heartbeat_s: float
) -> CollabRecipe:
    recipe = CollabRecipe(
        job_name=name, server=server, client=site, min_clients=least, sync_task_timeout=sync_s
    )
    limits = flare_timeouts(heartbeat_s)
    recipe.add_server_config(limits)
    recipe.add_client_config(limits)
    return recipe
