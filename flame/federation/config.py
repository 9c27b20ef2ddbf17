"""What a training run is: data, model, training and federation settings."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flame.core.config import build
from flame.core.errors import BadInput
from flame.models.inputs import ResponseModelConfig

ENGINES = ("in-process", "flare")


@dataclass(frozen=True)
class DataConfig:
    """Where the cohorts are: BIDS derivatives or one table; exactly one of the two.

    ``bids`` is a folder with one preprocessed folder a centre. ``table`` is a CSV with a column
    of centres; ``survival`` names its columns of days and status, and with ``horizon_days`` the
    response is being alive then. ``impute`` gives values for missing clinical features.
    """

    bids: str = ""
    table: str = ""
    centres: tuple[str, ...] = ()
    centre_column: str = "centre"
    id_column: str = "patient_id"
    survival: tuple[str, ...] = ()
    horizon_days: float | None = None
    impute: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingConfig:
    """Local training in each round, and how often everything is repeated.

    ``batch_size`` 0 takes all patients in one batch. ``folds`` cross-validation folds within
    each centre; ``seeds`` repeat folds and initial weights.
    """

    rounds: int = 20
    epochs: int = 1
    batch_size: int = 0
    optimizer: str = "adam"
    learning_rate: float = 1e-2
    folds: int = 5
    seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class FederationConfig:
    """Engine and aggregation. ``timeout_s`` bounds one call to a site."""

    engine: str = "in-process"
    strategy: str = "fedavg"
    timeout_s: float = 600.0


@dataclass(frozen=True)
class TrainConfig:
    """The whole run. ``baselines`` maps a name to the clinical features of a plain baseline."""

    data: DataConfig
    model: ResponseModelConfig = ResponseModelConfig()
    training: TrainingConfig = TrainingConfig()
    federation: FederationConfig = FederationConfig()
    baselines: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if bool(self.data.bids) == bool(self.data.table):
            raise BadInput("set exactly one of data.bids and data.table")
        if self.federation.engine not in ENGINES:
            raise BadInput(f"federation.engine must be one of {', '.join(ENGINES)}")
        if self.training.rounds < 1 or self.training.folds < 2 or not self.training.seeds:
            raise BadInput("training needs rounds >= 1, folds >= 2 and at least one seed")
        if self.data.table and self.model.sequences:
            raise BadInput("a table has no images: leave model.sequences empty")
        if len(self.data.survival) not in (0, 2):
            raise BadInput("data.survival takes two columns: days and status (1 died, 0 censored)")

    def to_json(self) -> str:
        """The config as JSON, which is how it reaches sites."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "TrainConfig":
        """The inverse of ``to_json``."""
        return build(TrainConfig, json.loads(text), "run configuration")

    def features(self) -> tuple[str, ...]:
        """Every clinical feature that the model or a baseline uses, in order, once each."""
        named = [self.model.clinical, *self.baselines.values()]
        return tuple(dict.fromkeys(f for group in named for f in group))


def centres(config: DataConfig) -> tuple[str, ...]:
    """The centres named, else every one found; at least one."""
    if config.centres:
        return config.centres
    if config.table:
        from flame.io.tables import read_table

        table = read_table(Path(config.table), [config.centre_column])
        return tuple(sorted(table[config.centre_column].dropna().unique()))
    root = Path(config.bids)
    if not root.is_dir():
        raise BadInput(f"data.bids: no folder {root}")
    found = tuple(sorted(p.parent.name for p in root.glob("*/dataset_description.json")))
    if not found:
        raise BadInput(
            f"data.bids: {root} holds no preprocessed centre; run flame preprocess first"
        )
    return found
