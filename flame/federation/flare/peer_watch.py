"""The server's part in learning peer to peer: it starts the sites and waits for them."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nvflare.collab.api.exceptions import CollabCallError, RunAborted

from flame.core.errors import FlameError
from flame.federation.calls import said
from flame.federation.checkpoint import Checkpoint, checkpoint_path, finished, save_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.flare.calls import Calls
from flame.federation.flare.trainings import flare_plan
from flame.federation.run_files import PEERS
from flame.federation.strategies.gossip import OWN, mean_of
from flame.federation.strategies.strategy import State

_POLL = 0.5
"""Interval in s at which the server queries the sites for their state."""


def watch_peers(calls: Calls, run: str, progress: Callable[[int, int], None]) -> None:
    """Start every site, and wait until all reachable sites are done.

    The server stops waiting for a site that does not respond for
    ``federation.heartbeat_timeout_s``.

    Args:
        calls: the calls to the sites.
        run: name of the run, or its folder in a simulation.
        progress: called with the smallest number of steps done at a site, and the largest total.

    Raises:
        FlameError: a site refused, failed or was lost.
    """
    states: dict[str, dict[str, object]] = {}
    last_response = dict.fromkeys(calls.proxies, time.monotonic())
    waiting = set(calls.proxies)
    while waiting:
        for site in sorted(waiting):
            proxy = calls.proxies[site](timeout=calls.heartbeat_timeout_s)
            try:
                state = proxy.peer_state() if site in states else proxy.start_peer(run=run)
                if "finished" not in state:  # its process restarted
                    state = proxy.start_peer(run=run)
                states[site] = state
                last_response[site] = time.monotonic()
            except RunAborted:
                raise
            except CollabCallError:
                if time.monotonic() - last_response[site] > calls.heartbeat_timeout_s:
                    waiting.discard(site)
                continue
            if states[site]["refused"]:
                calls.refused.add(site)
                raise FlameError(said({site: str(states[site]["error"])}))
            if states[site]["finished"] or states[site]["error"]:
                waiting.discard(site)
        if states:
            done = min(int(str(state["done"])) for state in states.values())
            progress(done, max(int(str(state["total"])) for state in states.values()))
        time.sleep(_POLL)
    errors = {site: str(state["error"]) for site, state in states.items() if state["error"]}
    lost = [site for site in calls.proxies if site not in states or not states[site]["finished"]]
    errors = {**dict.fromkeys(lost, "was lost; the other sites have ended"), **errors}
    if errors:
        raise FlameError(said(errors))


def gather_peers(config: TrainConfig, run: Path) -> None:
    """Combine the models of the sites of a simulation into one checkpoint per training.

    The checkpoints equal those that one process with the strategy gossip writes. In a real
    federation models stay at their sites.

    Args:
        config: the configuration of the run.
        run: the run folder, with the folders of all sites.

    Raises:
        BadInput: a site has not finished a training.
    """
    for training in flare_plan(config):
        models = {site: finished(run / PEERS / site, training.name) for site in training.centres}
        save_checkpoint(checkpoint_path(run, training.name), _combined(models))


def _combined(models: dict[str, Checkpoint]) -> Checkpoint:
    first = next(iter(models.values()))
    weights_of = {
        f"{OWN}{site}": model.state.memory[f"{OWN}{site}"] for site, model in models.items()
    }
    memory = {**first.state.memory, **weights_of}
    weights = mean_of(list(weights_of.values()))
    history = []
    for site, model in models.items():
        history += [row for row in model.history if row["site"] == site]
    history.sort(key=lambda row: (row["round"], row["site"]))
    state = State(weights, memory, first.state.names)
    return replace(first, state=state, history=history)
