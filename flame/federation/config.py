"""The configuration of a training run, and the centres that it names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from flame.core.config import Rule, Section
from flame.core.errors import BadInput
from flame.federation.gossip.method import GOSSIP, PER_SITE
from flame.federation.gossip.network import GossipConfig
from flame.federation.sections import (
    DataConfig,
    EvaluationConfig,
    FederationConfig,
    PrivacyConfig,
    RegressionConfig,
    TrainingConfig,
    ValidationConfig,
)
from flame.federation.trainings import KINDS, POOLED
from flame.io.tables import read_table
from flame.models.evolution.config import EvolutionConfig
from flame.models.response.inputs import ResponseModelConfig
from flame.models.segmentation.config import SegmentationConfig

SAME_FEATURES = "same features"
"""Name of the baseline on the features of the model, which every run has."""


@dataclass(frozen=True)
class TrainConfig(Section):
    """The configuration of a whole run.

    Section ``model`` is for the tasks response and survival; tasks on images have sections of their
    own. Each task checks the keys that it needs, see ``flame.federation.tasks``.
    """

    data: DataConfig
    """Source of the cohorts."""
    model: ResponseModelConfig = ResponseModelConfig()
    """Response model, and the features of a survival model."""
    training: TrainingConfig = TrainingConfig()
    """Rounds, local training, folds and seeds."""
    federation: FederationConfig = FederationConfig()
    """Engine and strategy."""
    baselines: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Clinical features of each logistic or Cox baseline, by the name of the baseline."""
    task: str = "response"
    """Name of the task."""
    regression: RegressionConfig = RegressionConfig()
    """Cox and logistic regressions."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Non-inferiority margin and further metrics."""
    privacy: PrivacyConfig = PrivacyConfig()
    """Least numbers of patients, and differential privacy."""
    segmentation: SegmentationConfig = SegmentationConfig()
    """Network and training of the task segmentation."""
    evolution: EvolutionConfig = EvolutionConfig()
    """Model and training of the task evolution."""
    gossip: GossipConfig = GossipConfig()
    """Topology and method of the strategy gossip."""
    validation: ValidationConfig = ValidationConfig()
    """Model that the task validation tests."""

    def rules(self) -> Iterator[Rule]:
        """Yield the rules between sections that hold for every task."""
        yield set(self.data.impute) <= set(self.features()), "data.impute names an unused feature"
        yield all(self.baselines.values()), "baselines: every baseline needs at least one feature"
        yield (
            SAME_FEATURES not in self.baselines,
            f"baselines.'{SAME_FEATURES}' is made from model.clinical; give yours another name",
        )
        for name in self.federation.compare:
            yield name not in KINDS, f"federation.compare: '{name}' is a kind of model, no strategy"
        yield (
            not (self.data.table and self.model.sequences),
            "model.sequences needs images, and data.table has none: leave one of them out",
        )
        yield (
            not (self.data.table and self.model.treatment),
            "model.treatment needs radiotherapy plans, and data.table has none: leave one of them "
            "out",
        )
        yield (
            not (self.federation.secure and self.training.personalised),
            "federation.secure hides the weights of rounds: set training.personalised = false",
        )
        horizon, landmark = self.data.horizon_days, self.model.landmark_day
        yield (
            not (self.data.table and horizon and landmark is not None) or landmark < horizon,
            "model.landmark_day must be before data.horizon_days, whose outcome it predicts",
        )
        yield (
            self.data.visits or self.data.bids or not self._visits(),
            "features named visit. need the table data.visits",
        )
        yield from self._privacy()
        yield from self._bounds()
        if GOSSIP in (self.federation.strategy, *self.federation.compare):
            yield from self._gossip()

    def _visits(self) -> list[str]:
        return [f for f in self.features() if f.startswith("visit.")]

    def _privacy(self) -> Iterator[Rule]:
        privacy = self.privacy
        if not privacy.is_private:
            return
        yield (
            not self.data.person_column,
            "privacy.level protects rows, so a person may have one row only: leave out "
            "data.person_column",
        )
        yield self.model.missing == "mean", "privacy.level needs model.missing = 'mean'"

    def _bounds(self) -> Iterator[Rule]:
        bounds = self.privacy.bounds
        if self.scales_by_bounds:
            yield (
                all(len(bounds.get(n, ())) == 2 for n in self.model.clinical),
                "privacy.bounds: give the lowest and highest value of every feature of "
                "model.clinical; with privacy.level or federation.secure no means are sent",
            )
        yield (
            all(b[:1] < b[1:] for b in bounds.values()),
            "privacy.bounds: the first value has to be below the second",
        )

    @property
    def scales_by_bounds(self) -> bool:
        """Whether features are scaled by ``privacy.bounds``, so that no site sends their means."""
        return self.privacy.is_private or self.federation.secure

    def _gossip(self) -> Iterator[Rule]:
        federation = self.federation
        plain = not federation.secure and federation.bits == 32
        yield (
            plain and not self.training.validation and not self.privacy.is_private,
            "strategy gossip cannot be combined with federation.secure, federation.bits below 32, "
            "training.validation or privacy.level",
        )
        yield (
            federation.engine != "flare" or self.gossip.method in PER_SITE,
            f"gossip.method on FLARE: choose one of {', '.join(PER_SITE)}; the other methods run "
            "in process",
        )
        yield (
            not federation.min_available_sites,
            "federation.min_available_sites cannot be combined with strategy gossip",
        )
        yield (
            self.gossip.topology != "places",
            "gossip.topology = 'places' is for flame stream only",
        )

    def features(self) -> tuple[str, ...]:
        """Return the clinical features of the model and the baselines, in order and once each."""
        groups = [self.model.clinical, *self.baselines.values()]
        return tuple(dict.fromkeys(feature for group in groups for feature in group))

    def columns(self) -> tuple[str, ...]:
        """Return the columns of a table of patients that the run needs, besides its outcomes."""
        own = (f for f in self.features() if not f.startswith("visit."))
        return tuple(dict.fromkeys((*own, *self.data.include)))


def check_paths(config: TrainConfig) -> None:
    """Check that the data of a run on this machine are there, before anything heavy is imported.

    Args:
        config: the configuration of the run.

    Raises:
        BadInput: the table or the folder of the centres does not exist.
    """
    for key, path in (("data.table", config.data.table), ("data.bids", config.data.bids)):
        if path and not Path(path).exists():
            raise BadInput(f"{key} = '{path}' does not exist; give its path with --set {key}=PATH")


def centres(config: DataConfig) -> tuple[str, ...]:
    """Return the centres of a run: those in ``data.centres``, or all in the data if it is empty.

    Args:
        config: section ``data`` of the configuration.

    Returns:
        Names of the centres, unique, at least one.

    Raises:
        BadInput: a name has other characters than letters, digits, - and _; a name is ``pooled``;
            a name occurs twice; or ``data.bids`` holds no preprocessed centre.

    Example:
        >>> centres(DataConfig(table="cohort.csv", centres=("UCSF", "UPENN")))
        ('UCSF', 'UPENN')
    """
    names = config.centres or _centres_in(config)
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise BadInput(f"centre '{name}': use letters, digits, - and _ only")
        if name == POOLED:
            raise BadInput(f"centre '{name}': this name is taken by the pooled model")
    if len(set(names)) < len(names):
        raise BadInput("data.centres names a centre twice")
    return names


def _centres_in(config: DataConfig) -> tuple[str, ...]:
    if config.table:
        table = read_table(Path(config.table), [config.centre_column])
        return tuple(sorted(table[config.centre_column].dropna().unique()))
    root = Path(config.bids)
    if not root.is_dir():
        raise BadInput(f"data.bids: {root} is not a folder")
    names = tuple(sorted({path.parent.name for path in root.glob("*/sub-*")}))
    if not names:
        raise BadInput(f"data.bids: {root} holds no preprocessed centre; run flame preprocess")
    return names
