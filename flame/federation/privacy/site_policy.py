"""What a hospital lets out of its site: its own file, which no server can change."""

from dataclasses import dataclass, replace
from pathlib import Path

from flame.core.config import load_config
from flame.core.errors import BadInput, Refusal
from flame.core.registry import nearest
from flame.federation.config import TrainConfig
from flame.federation.gossip.method import GOSSIP
from flame.federation.tasks.registry import RESPONSE_MODELS, TASKS, open_task

POLICY_FILE = "policy.toml"
_ROUNDS = ("describe", "initial_weights", "train", "key", "masked")
"""What training needs, which ``learners`` allow or not."""
CALLS = (*_ROUNDS, "reply", "score")
"""All that a site does when it is called."""


@dataclass(frozen=True)
class SitePolicy:
    """The policy of one site; the stricter of it and of the run's settings holds.

    ``learners`` that may learn here, and ``questions`` whose sums may be sent; empty: every one.
    ``least_patients`` behind any sum or update, ``least_count`` behind any number of a
    description. ``secure``: updates leave only under masks (``federation.secure``). ``epsilon``, if
    above 0: updates leave only with differential privacy, until so much is spent at ``delta``.
    ``peers``: updates and sums may go to other hospitals one by one, where no server adds them up.
    """

    learners: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    least_patients: int = 5
    least_count: int = 5
    secure: bool = False
    epsilon: float = 0.0
    delta: float = 1e-5
    peers: bool = False

    def applied(self, config: TrainConfig) -> TrainConfig:
        """The configuration as this site follows it; Refusal where it does not take part."""
        learner = open_task(config).name
        if self.learners and learner not in self.learners:
            raise Refusal(f"does not take part in {learner}: its policy does not list it")
        if self.secure and not config.federation.secure:
            raise Refusal("sends updates under masks only: set federation.secure = true")
        if config.federation.strategy == GOSSIP and not self.peers:
            raise Refusal("shows its updates to no other hospital: its policy has no peers = true")
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
                "sends no sums at single deaths: set regression.stratified = true, or ask it to "
                "set least_patients = 1 in its policy"
            )
        return replace(config, privacy=stricter)

    def check_question(self, question: str) -> None:
        """Refusal of a question, or of scores, that the policy does not list."""
        if self.questions and question not in (*self.questions, *_ROUNDS):
            raise Refusal(f"does not reply to '{question}': its policy does not list it")


def read_policy(path: Path) -> SitePolicy:
    """The policy at ``path``; BadInput for one that is absent or broken."""
    policy = load_config(SitePolicy, path, [])
    known = sorted({*TASKS, *RESPONSE_MODELS} - {"network"})  # a network's task is "response"
    for name in policy.learners:
        if name not in known:
            raise BadInput(f"{path}: unknown learner '{name}': {nearest(name, known)}")
    return policy
