"""NVIDIA FLARE's simulator as an engine: one process per site on this machine."""

from flame.core.errors import FlameError
from flame.core.progress import Progress
from flame.federation.engine import ENGINES, Job
from flame.federation.gossip.method import GOSSIP


@ENGINES.register("flare")
class FlareEngine:
    """Runs each site in its own process; only weights, counts and sums pass between processes."""

    def train(self, job: Job, progress: Progress) -> None:
        """See ``Engine``."""
        if job.run.is_finished(job.trainings):
            return
        # Imported here: NVIDIA FLARE takes seconds to load.
        from flame.federation.flare.peer_watch import gather_peers
        from flame.federation.flare.simulator import train_on_flare

        train_on_flare(job.config, job.run.path, progress)
        if job.config.federation.strategy == GOSSIP:
            gather_peers(job.config, job.run.path)
        if not job.run.is_finished(job.trainings):
            raise FlameError(
                "NVIDIA FLARE ended before the training was finished; run the same command again"
            )
