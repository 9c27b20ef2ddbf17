"""The job of a run for NVIDIA FLARE, with FLARE's time-outs tied to those of the run."""

import json

from nvflare.collab.recipe import CollabRecipe

from flame.federation.config import TrainConfig, centres
from flame.federation.flare.limits import flare_timeouts
from flame.federation.flare.node_server import FlareNodes
from flame.federation.flare.node_site import FlareNode
from flame.federation.flare.running_program import times_of
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
    recipe = CollabRecipe(
        job_name=name,
        server=FlareServer(config.to_json(), run),
        client=FlareSite(config.to_json()),
        min_clients=len(centres(config.data)),
        sync_task_timeout=sync_s,
    )
    limits = flare_timeouts(config.federation.heartbeat_timeout_s)
    recipe.add_server_config(limits)
    recipe.add_client_config(limits)
    return recipe


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
    recipe = CollabRecipe(
        job_name=name,
        server=FlareNodes(kind, config, run, list(names)),
        client=FlareNode(kind, config),
        min_clients=json.loads(config)["sites"]["min_sites"] or len(names),
        sync_task_timeout=sync_s,
    )
    limits = flare_timeouts(times_of(config)[1])
    recipe.add_server_config(limits)
    recipe.add_client_config(limits)
    return recipe
