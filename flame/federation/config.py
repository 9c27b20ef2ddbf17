"""What a training run is: data, model, training and federation settings."""

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flame.core.config import build
from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.federation.plan import POOLED
from flame.federation.quantisation import BITS
from flame.io.tables import read_table
from flame.models.evolution import EvolutionConfig
from flame.models.inputs import MISSING, MODEL_KINDS, ResponseModelConfig
from flame.models.segmentation_cases import SegmentationConfig

ENGINES = ("in-process", "flare")
ENDPOINTS = ("overall", "progression-free")
TASK_NAMES = ("response", "survival", "segmentation", "evolution", "statistics")
LEARNERS = (*TASK_NAMES, "logistic")
WATCHED = ("mean", "worst")
PRIVACY_LEVELS = ("none", "patient", "centre")
TABULAR = ("response", "survival", "statistics")


@dataclass(frozen=True)
class DataConfig:
    """Where the cohorts are: BIDS derivatives or one table; exactly one of the two.

    ``bids`` is a folder with one preprocessed folder a centre. ``table`` is a CSV with a column
    of centres; ``survival`` names its columns of days and status, ``simulated`` says whether its
    patients are. With ``horizon_days`` the response is being alive then. ``impute`` gives values
    for missing clinical features. ``person_column`` tells whose row it is where a person has
    several: they share a fold. ``endpoint`` is overall survival, or progression-free survival by
    the ratings of ``flame assess``.
    """

    bids: str = ""
    table: str = ""
    centres: tuple[str, ...] = ()
    centre_column: str = "centre"
    id_column: str = "patient_id"
    person_column: str = ""
    endpoint: str = "overall"
    survival: tuple[str, ...] = ()
    simulated: bool = False
    horizon_days: float | None = None
    impute: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingConfig:
    """Local training in each round, and how often everything is repeated.

    ``batch_size`` 0 takes all patients in one batch. ``folds`` cross-validation folds within
    each centre; ``seeds`` repeat folds and initial weights. With ``personalised`` every centre
    goes on from the federated model with its own patients.

    With ``validation`` every that-many-th training patient is kept apart, and the round of the
    lowest loss on them is kept: ``watch`` says whether on their mean or at the worst site. With
    ``patience`` training ends when so many rounds brought nothing better.
    """

    rounds: int = 20
    epochs: int = 1
    batch_size: int = 0
    optimizer: str = "adam"
    learning_rate: float = 1e-2
    folds: int = 5
    seeds: tuple[int, ...] = (0,)
    personalised: bool = False
    validation: int = 0
    watch: str = "mean"
    patience: int = 0


@dataclass(frozen=True)
class RegressionConfig:
    """A Cox or logistic regression on the clinical features and radiotherapy of ``model``.

    ``penalizer`` is that of lifelines, 1 / (C n) of scikit-learn; where it is not given,
    cross-validation in ``inner_folds`` within the training patients chooses it. A Cox model
    ``stratified`` by centre has a hazard for each and centres give sums only. Without, all are at
    risk together, for which a centre gives its times of death and sums at each.
    """

    penalizer: float | None = None
    inner_folds: int = 5
    stratified: bool = True


@dataclass(frozen=True)
class FederationConfig:
    """Engine and aggregation, whose ``options`` are those of the strategy.

    Strategies to ``compare`` are trained beside it, in process, with their usual options.
    A site has ``timeout_s`` to finish what it is asked, and is lost after ``silence_s`` without a
    sign of life. A round needs ``min_sites`` of its sites, 0: all of them. With ``secure`` the
    coordinator sees the sum over sites alone. With ``bits`` 16 or 8 weights go out in 16 bits a
    value, and what sites changed comes back in so many.
    """

    engine: str = "in-process"
    strategy: str = "fedavg"
    options: dict[str, float] = field(default_factory=dict)
    compare: tuple[str, ...] = ()
    timeout_s: float = 600.0
    silence_s: float = 60.0
    min_sites: int = 0
    secure: bool = False
    bits: int = 32


@dataclass(frozen=True)
class PrivacyConfig:
    """``least_patients`` of a centre behind any sum of a training; fewer, and it refuses.

    ``least_count`` of a centre's patients behind any number of a description.

    ``level`` of differential privacy: patient (a patient's gradients are clipped to ``clip`` and
    their sum has normal noise of ``noise`` times that) or centre (the same of all that a round
    changes). Epsilon is told at ``delta``. Clinical features are then scaled by the ``bounds`` that
    are given, lowest and highest value, and not by what patients have.
    """

    least_patients: int = 1
    least_count: int = 5
    level: str = "none"
    clip: float = 1.0
    noise: float = 1.0
    delta: float = 1e-5
    bounds: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def is_private(self) -> bool:
        """Whether weights leave a centre with noise only."""
        return self.level != PRIVACY_LEVELS[0]


@dataclass(frozen=True)
class EvaluationConfig:
    """``margin`` by which a model may be worse and still be called not worse.

    Not given, it is that of ``flame.evaluation.measures``.
    """

    margin: float | None = None


@dataclass(frozen=True)
class TrainConfig:
    """The whole run.

    ``task`` is response, survival, segmentation or evolution; ``model`` are the settings of a
    response model and the features of a survival model, the other tasks have sections of their own.
    ``baselines`` maps a name to the clinical features of a plain baseline.
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

    def __post_init__(self) -> None:
        data, model, training = self.data, self.model, self.training
        unknown = [n for n in model.sequences if n not in list(Sequence)]
        evolution, segmentation = self.evolution, self.segmentation
        rules = [
            (bool(data.bids) != bool(data.table), "set exactly one of data.bids and data.table"),
            (self.federation.engine in ENGINES, f"federation.engine: one of {', '.join(ENGINES)}"),
            (
                training.rounds >= 1 and training.epochs >= 1,
                "training.rounds and epochs: 1 or more",
            ),
            (training.folds >= 2, "training.folds: 2 or more"),
            (
                training.validation == 0
                or (training.validation >= 2 and self.learner in ("response", "segmentation")),
                "training.validation: 2 or more (0: nobody is kept apart), on tasks response (of a "
                "network) and segmentation",
            ),
            (training.watch in WATCHED, f"training.watch: one of {', '.join(WATCHED)}"),
            (
                training.patience >= 0 and (training.validation or not training.patience),
                "training.patience: 0 or more, and needs training.validation",
            ),
            (
                len(set(training.seeds)) == len(training.seeds) > 0 and min(training.seeds) >= 0,
                "training.seeds: at least one, each once, 0 or more",
            ),
            (
                min(self.federation.timeout_s, self.federation.silence_s) > 0,
                "federation.timeout_s and silence_s: above 0",
            ),
            (self.federation.min_sites >= 0, "federation.min_sites: 0 (all) or more"),
            (self.task in TASK_NAMES, f"task: one of {', '.join(TASK_NAMES)}"),
            (self.is_tabular or data.bids, f"task {self.task} needs images: set data.bids"),
            (
                self.regression.penalizer is None or self.regression.penalizer >= 0,
                "regression.penalizer: 0 or more, or not given",
            ),
            (
                self.evaluation.margin is None or self.evaluation.margin > 0,
                "evaluation.margin: above 0, or not given",
            ),
            (
                min(self.privacy.least_patients, self.privacy.least_count) >= 1,
                "privacy.least_patients and least_count: 1 or more",
            ),
            (
                self.regression.stratified or self.privacy.least_patients == 1,
                "regression.stratified = false sends sums at each death, which are those of single "
                "patients: not with privacy.least_patients above 1",
            ),
            (
                not (self.federation.compare and self.is_regression),
                "federation.compare: a regression from sums has no strategy",
            ),
            (
                self.federation.strategy not in self.federation.compare,
                "federation.compare: the strategy itself is there already",
            ),
            (
                not self.federation.secure or not (self.is_regression or training.personalised),
                "federation.secure hides weights of rounds: not for regressions, and not with "
                "training.personalised",
            ),
            (
                self.federation.bits in BITS,
                f"federation.bits: one of {', '.join(map(str, BITS))}",
            ),
            (
                self.federation.bits == max(BITS)
                or not (self.is_regression or self.federation.secure),
                "federation.bits below 32 rounds weights of rounds: not for regressions, nor with "
                "federation.secure, whose sums are exact",
            ),
            (
                self.privacy.level in PRIVACY_LEVELS,
                f"privacy.level: one of {', '.join(PRIVACY_LEVELS)}",
            ),
            (
                min(self.privacy.clip, self.privacy.noise) > 0 and 0 < self.privacy.delta < 1,
                "privacy.clip and noise: above 0; delta: between 0 and 1",
            ),
            (
                not self.privacy.is_private
                or (self.learner == "response" and not training.validation),
                "privacy.level is for task response by a network, without training.validation",
            ),
            (
                not self.privacy.is_private or not data.person_column,
                "privacy.level protects rows: a person may have one only, so no data.person_column",
            ),
            (
                not self.privacy.is_private or model.missing == MISSING[0],
                "privacy.level: with model.missing = 'mean' only",
            ),
            (
                not self.privacy.is_private
                or all(len(self.privacy.bounds.get(n, ())) == 2 for n in model.clinical),
                "privacy.bounds: the lowest and highest value of every feature of model.clinical",
            ),
            (self.regression.inner_folds >= 2, "regression.inner_folds: 2 or more"),
            (
                bool(model.sequences) or not model.encoder,
                "model.encoder reads images: name model.sequences",
            ),
            (model.kind in MODEL_KINDS, f"model.kind: one of {', '.join(MODEL_KINDS)}"),
            (model.missing in MISSING, f"model.missing: one of {', '.join(MISSING)}"),
            (
                not self.is_regression
                or ((model.clinical or model.treatment) and not model.sequences),
                "a regression: set model.clinical or treatment, and no model.sequences",
            ),
            (
                not set(self.features()) & {*data.survival, "survival_days", "died", "response"},
                "model.clinical or baselines hold an outcome: it would be known to the model",
            ),
            (
                evolution.calibration >= 2 and evolution.latest_day > 0,
                "evolution.calibration: 2 or more; latest_day: above 0",
            ),
            (
                min(evolution.steps, evolution.batch_size) >= 1 and _wide(evolution.filters),
                "evolution.steps and batch_size: 1 or more; filters: 4 or a multiple of 8",
            ),
            (
                segmentation.batch_size >= 1 and _wide(segmentation.filters),
                "segmentation.batch_size: 1 or more; filters: 4 or a multiple of 8",
            ),
            (
                segmentation.patch % 8 == 0 and min(segmentation.patch, segmentation.steps) > 0,
                "segmentation.patch: a multiple of 8 voxels; steps: 1 or more",
            ),
            (
                segmentation.voxel_mm > 0 and segmentation.learning_rate > 0,
                "segmentation.voxel_mm and learning_rate: above 0",
            ),
            (model.filters >= 4 and model.filters % 4 == 0, "model.filters: a multiple of 4"),
            (model.hidden >= 0 and model.l2 >= 0, "model.hidden and l2: 0 or more"),
            (len(set(model.clinical)) == len(model.clinical), "model.clinical: each name once"),
            (all(self.baselines.values()), "baselines: each needs a feature"),
            (training.batch_size >= 0, "training.batch_size: 0 (all) or more"),
            (training.learning_rate > 0, "training.learning_rate: above 0"),
            (not unknown, f"model.sequences: {unknown} not among {', '.join(Sequence)}"),
            (model.voxel_mm > 0, "model.voxel_mm: above 0"),
            (not (data.table and model.sequences), "a table has no images: no model.sequences"),
            (not (data.table and model.treatment), "a table has no plans: no model.treatment"),
            (data.endpoint in ENDPOINTS, f"data.endpoint: one of {', '.join(ENDPOINTS)}"),
            (
                data.bids or data.endpoint == ENDPOINTS[0],
                "data.endpoint is for images: name the columns of a table in data.survival",
            ),
            (len(data.survival) in (0, 2), "data.survival: two columns, days and status"),
            (not (data.bids and data.survival), "data.survival is for tables: see participants"),
            (
                not (data.table and data.horizon_days and not data.survival),
                "data.horizon_days of a table needs data.survival",
            ),
            (set(data.impute) <= set(self.features()), "data.impute names an unused feature"),
        ]
        for holds, message in rules:
            if not holds:
                raise BadInput(message)

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


def _wide(filters: int) -> bool:
    return filters == 4 or (filters > 0 and filters % 8 == 0)


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
