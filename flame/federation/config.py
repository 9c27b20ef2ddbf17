"""What a training run is: data, model, training and federation settings."""

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flame.core.config import build
from flame.core.errors import BadInput
from flame.federation.gossip.network import GossipConfig
from flame.federation.rules import check
from flame.federation.sections import (
    DataConfig,
    EvaluationConfig,
    FederationConfig,
    PrivacyConfig,
    RegressionConfig,
    TrainingConfig,
)
from flame.federation.trainings import POOLED
from flame.io.tables import read_table
from flame.models.evolution.model import EvolutionConfig
from flame.models.response.inputs import ResponseModelConfig
from flame.models.segmentation.cases import SegmentationConfig

CONFIG_FILE = "run.toml"
TABULAR = ("response", "survival", "statistics")


@dataclass(frozen=True)
class TrainConfig:
    """The whole run.

    ``task`` is response, survival, segmentation or evolution; ``model`` are the settings of a
    response model and the features of a survival model, the other tasks have sections of their own.
    ``baselines`` maps a name to the clinical features of a plain baseline; ``gossip`` is for
    federation.strategy = "gossip".
    """

    data: DataConfig
    model: ResponseModelConfig = ResponseModelConfig()
    training: TrainingConfig = TrainingConfig()
    federation: FederationConfig = FederationConfig()
    baselines: dict[str, tuple[str, ...]] = field(default_factory=dict)
    task: str = "response"
    regression: RegressionConfig = RegressionConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    segmentation: SegmentationConfig = SegmentationConfig()
    evolution: EvolutionConfig = EvolutionConfig()
    gossip: GossipConfig = GossipConfig()

    def __post_init__(self) -> None:
        check(self)

    def to_json(self) -> str:
        """The config as JSON, which is how it reaches sites."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "TrainConfig":
        """The inverse of ``to_json``."""
        return build(TrainConfig, json.loads(text), "run configuration")

    @property
    def is_tabular(self) -> bool:
        """Whether a row a patient is what is learned from."""
        return self.task in TABULAR

    @property
    def is_regression(self) -> bool:
        """Whether the model is learned from sums alone, not in rounds."""
        return self.learner in ("survival", "logistic", "statistics")

    @property
    def learner(self) -> str:
        """Name of what learns: the task, or the kind of the response model."""
        logistic = self.task == "response" and self.model.kind == "logistic"
        return "logistic" if logistic else self.task

    def features(self) -> tuple[str, ...]:
        """Every clinical feature that the model or a baseline uses, in order, once each."""
        named = [self.model.clinical, *self.baselines.values()]
        return tuple(dict.fromkeys(f for group in named for f in group))


def centres(config: DataConfig) -> tuple[str, ...]:
    """The centres named, else every one found; at least one, each named once and plainly."""
    names = config.centres or _found(config)
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise BadInput(f"centre '{name}': use letters, digits, - and _ only")
        if name == POOLED:
            raise BadInput(f"centre '{name}': this name is taken by the pooled model")
    if len(set(names)) < len(names):
        raise BadInput("data.centres names a centre twice")
    return names


def _found(config: DataConfig) -> tuple[str, ...]:
    if config.table:
        table = read_table(Path(config.table), [config.centre_column])
        return tuple(sorted(table[config.centre_column].dropna().unique()))
    root = Path(config.bids)
    if not root.is_dir():
        raise BadInput(f"data.bids: no folder {root}")
    found = tuple(sorted({p.parent.name for p in root.glob("*/sub-*")}))
    if not found:
        raise BadInput(f"data.bids: {root} holds no preprocessed centre; run flame preprocess")
    return found
