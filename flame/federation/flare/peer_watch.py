"""What FLARE's server does where sites learn peer to peer: it starts them, and waits."""

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


def watch_peers(calls: Calls, run: str, progress: Callable[[int, int], None]) -> None:
    """Start every site and wait until all that live are done; FlameError where one did not end.

    A site that is silent for ``federation.heartbeat_timeout_s`` is not waited for.
    """
    states: dict[str, dict[str, object]] = {}
    heard = dict.fromkeys(calls.proxies, time.monotonic())
    waiting = set(calls.proxies)
    while waiting:
        for site in sorted(waiting):
            proxy = calls.proxies[site](timeout=calls.heartbeat_timeout_s)
            try:
                state = proxy.peer_state() if site in states else proxy.start_peer(run=run)
                if "finished" not in state:  # its process began anew
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
    """Put the models of a simulation's sites side by side, as if one strategy had held them all.

    Only where all sites are on this machine: in a real federation models stay where they are.
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
