"""The in-process engine: sites are objects of this process and are called one after the other."""

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from flame.core.progress import Progress
from flame.federation.calls import Call, Replies, arguments_of
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.engine import ENGINES, Job
from flame.federation.privacy.budget import Budget
from flame.federation.privacy.differential import CentrePrivacy
from flame.federation.site import Site
from flame.federation.task import Message
from flame.federation.trainings import POOLED


def in_process_call(here: Mapping[str, Site]) -> Call:
    """Create a ``Call`` that reaches sites directly.

    Arguments and replies are copied, as a network would copy them: the coordinator and the sites
    share no array. If a call waits for some sites only, sites work in the order in which they
    began.

    Args:
        here: the sites by name.

    Returns:
        The call.
    """
    begun: dict[str, dict[str, Any]] = {}

    def call(
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Message] | None = None,
        enough: int = 0,
        **arguments: Any,
    ) -> Replies:
        if not enough:
            begun.clear()
        for name in sites:
            if name not in begun:
                begun[name] = deepcopy(arguments_of(name, each, arguments))
        done = [name for name in begun if name in sites][: enough or None]
        return Replies(
            {name: deepcopy(getattr(here[name], method)(**begun.pop(name))) for name in done}
        )

    return call


@ENGINES.register("in-process")
class InProcessEngine:
    """Runs all sites in this process; a pooled training has one site that holds all patients."""

    def train(self, job: Job, progress: Progress) -> None:
        """See ``Engine``."""
        config = job.config
        coordinator = Coordinator(config, job.task, job.run.path, job.trainings, progress, job.kind)
        if job.kind == POOLED:
            sites = {POOLED: Site(job.task, job.patients)}
            coordinator.run(in_process_call(sites), lambda training: (POOLED,))
            return
        least = config.privacy.least_patients
        protection = simulated_protection(config)
        sites = {
            patients.centre: Site(
                job.task, [patients], least, privacy=protection.get(patients.centre)
            )
            for patients in job.patients
        }
        coordinator.run(in_process_call(sites), lambda training: training.centres)


def simulated_protection(config: TrainConfig) -> dict[str, CentrePrivacy]:
    """Create the differential privacy of each simulated centre, without a limit on its budget.

    The noise is derived from the centre's name, which is no secret: a simulation protects no data.

    Args:
        config: the configuration of the run.

    Returns:
        The protection by centre; empty if ``privacy.level`` is none.
    """
    if not config.privacy.is_private:
        return {}
    return {
        name: CentrePrivacy(config, Budget(None, math.inf, config.privacy.delta), name.encode())
        for name in config.data.centres
    }
