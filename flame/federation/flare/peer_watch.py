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
"""Interval in s at which the server asks sites for their state."""


def watch_peers(calls: Calls, run: str, progress: Callable[[int, int], None]) -> None:
    """Start every site, and wait until all reachable sites are done.

    A site that does not respond for ``federation.heartbeat_timeout_s`` is not waited for.

    Args:
        calls: the calls to the sites.
        run: name of the run, or its folder in a simulation.
        progress: called with the least number of steps done at a site, and the largest total.

    Raises:
        FlameError: a site refused, failed or was lost.
    """
    states: dict[str, dict[str, object]] = {}
    heard = dict.fromkeys(calls.proxies, time.monotonic())
    waiting = set(calls.proxies)
    while waiting:
        for site in sorted(waiting):
            proxy = calls.proxies[site](timeout=calls.heartbeat_timeout_s)
            try:
                state = proxy.peer_state() if site in states else proxy.start_peer(run=run)
                if "finished" not in state:  # its process restarted
                    state = proxy.start_peer(run=run)
                states[site] = state
                heard[site] = time.monotonic()
            except RunAborted:
                raise
            except CollabCallError:
                if time.monotonic() - heard[site] > calls.heartbeat_timeout_s:
                    waiting.discard(site)
                continue
            if states[site]["refused"]:
                calls.refused.add(site)
                raise FlameError(said({site: str(states[site]["error"])}))
            if states[site]["finished"] or states[site]["error"]:
                waiting.discard(site)
        told = [(int(str(s["done"])), int(str(s["total"]))) for s in states.values()]
        if told:
            progress(min(done for done, _ in told), max(total for _, total in told))
        time.sleep(_POLL)
    wrong = {site: str(s["error"]) for site, s in states.items() if s["error"]}
    lost = [site for site in calls.proxies if site not in states or not states[site]["finished"]]
    wrong = {**dict.fromkeys(lost, "was lost; others have ended"), **wrong}
    if wrong:
        raise FlameError(said(wrong))


def gather_peers(config: TrainConfig, run: Path) -> None:
    """Combine the models of the sites of a simulation into one checkpoint per training.

    The checkpoints are those that one process with the strategy gossip would have written. In a
    real federation models stay at their sites.

    Args:
        config: the configuration of the run.
        run: the run folder, with the folders of all sites.

    Raises:
        BadInput: a site has not finished a training.
    """
    for federation in flare_plan(config):
        each = {site: finished(run / PEERS / site, federation.name) for site in federation.centres}
        save_checkpoint(checkpoint_path(run, federation.name), _together(each))


def _together(each: dict[str, Checkpoint]) -> Checkpoint:
    first = next(iter(each.values()))
    own = {f"{OWN}{site}": at.state.memory[f"{OWN}{site}"] for site, at in each.items()}
    memory = {**first.state.memory, **own}
    weights = mean_of(list(own.values()))
    history = [row for site, at in each.items() for row in at.history if row["site"] == site]
    history.sort(key=lambda row: (row["round"], row["site"]))
    state = State(weights, memory, first.state.names)
    return replace(first, state=state, history=history)
