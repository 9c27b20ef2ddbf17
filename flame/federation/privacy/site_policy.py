"""The policy of a hospital: what may leave its site. No server can change its local file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from flame.core.config import load_config
from flame.core.errors import BadInput, Refusal
from flame.core.registry import nearest
from flame.federation.config import TrainConfig
from flame.federation.gossip.method import GOSSIP
from flame.federation.privacy.secure_aggregation import SECURE_STEPS
from flame.federation.tasks.registry import RESPONSE_MODELS, TASKS, open_task

POLICY_FILE = "policy.toml"
"""Name of the policy's file in the folder ``local`` of a kit."""
_ROUNDS = ("describe", "initial_weights", "train", *SECURE_STEPS)
"""Methods of ``Site`` that training needs; ``learners`` restricts them, ``queries`` does not."""
CALLS = (*_ROUNDS, "reply", "score")
"""All methods of ``Site`` that may be called from outside."""


@dataclass(frozen=True)
class SitePolicy:
    """The policy of one site. If it differs from the run's configuration, the stricter one applies.

    Args:
        learners: tasks and response models that may learn here; empty: all.
        queries: queries whose sums may be sent, and ``score``; empty: all.
        least_patients: least number of patients behind any sum or update.
        least_count: least number of patients behind any number of a description.
        secure: whether updates leave only under masks (``federation.secure``).
        epsilon: above 0, updates leave only with differential privacy, until this epsilon is spent;
            0: no such limit.
        delta: delta of ``epsilon``.
        peers: whether updates and sums may be sent to single other hospitals (strategy gossip).
        evidence: whether streams may send how well models predict the batches here (the learner
            evidence-gossip).
        patient_column: for streams, the column of the table that names the patient of a row; empty:
            every row counts as a patient.
        validations: different models that may be validated here, over all runs.
        selections: different choices of patients (``data.include``, ranges, the landmark and the
            like), over all runs.
        runs: jobs that may query this site; a job that is submitted again counts again.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"questions": "queries"}

    learners: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    least_patients: int = 5
    least_count: int = 5
    secure: bool = False
    epsilon: float = 0.0
    delta: float = 1e-5
    peers: bool = False
    evidence: bool = True
    patient_column: str = ""
    validations: int = 20
    selections: int = 10
    runs: int = 200

    def applied(self, config: TrainConfig) -> TrainConfig:
        """Apply the policy to the configuration of a run.

        Args:
            config: the configuration of the run.

        Returns:
            The configuration with the larger ``least_patients`` and ``least_count`` of the two.

        Raises:
            Refusal: the run does not satisfy the policy, so this site does not take part.
        """
        learner = open_task(config).name
        if self.learners and learner not in self.learners:
            raise Refusal(f"does not take part in {learner}: its policy does not list it")
        if self.secure and not config.federation.secure:
            raise Refusal("sends updates under masks only: set federation.secure = true")
        if config.federation.strategy == GOSSIP and not self.peers:
            raise Refusal("sends its updates to no other hospital: its policy has no peers = true")
        privacy = config.privacy
        if self.epsilon > 0 and not privacy.is_private:
            raise Refusal("learns with differential privacy only: set privacy.level")
        stricter = replace(
            privacy,
            least_patients=max(privacy.least_patients, self.least_patients),
            least_count=max(privacy.least_count, self.least_count),
        )
        if stricter.least_patients > 1 and not config.regression.stratified:
            raise Refusal(
                "sends no sums at single deaths: set regression.stratified = true, or request "
                "least_patients = 1 in its policy"
            )
        return replace(config, privacy=stricter)

    def check_query(self, query: str) -> None:
        """Check that a query is allowed.

        Args:
            query: name of the query, or of the method called, such as ``score``.

        Raises:
            Refusal: the policy does not list it.

        Example:
            >>> policy = SitePolicy(queries=("moments",))
            >>> policy.check_query("moments")
            >>> policy.check_query("survival")
            Traceback (most recent call last):
            flame.core.errors.Refusal: does not reply to 'survival': its policy does not list it
        """
        if self.queries and query not in (*self.queries, *_ROUNDS):
            raise Refusal(f"does not reply to '{query}': its policy does not list it")


def read_policy(path: Path) -> SitePolicy:
    """Read the policy of a site.

    Args:
        path: the TOML file.

    Returns:
        The policy.

    Raises:
        BadInput: the file is missing or invalid, or names an unknown learner.
    """
    policy = load_config(SitePolicy, path, [])
    if policy.learners:
        # A network's task is "response"; "stream" stands for all methods of streams.
        known = sorted({*TASKS, *RESPONSE_MODELS, "stream"} - {"network"})
        for name in policy.learners:
            if name not in known:
                raise BadInput(f"{path}: unknown learner '{name}': {nearest(name, known)}")
    return policy
