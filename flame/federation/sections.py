"""The sections of a training run's configuration; each checks itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Len, Lt

from flame.core.config import Rule, Section
from flame.core.registry import nearest
from flame.io.columns import Columns

Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]


@dataclass(frozen=True)
class DataConfig(Section):
    """Source of the cohorts: BIDS derivatives or one table; exactly one of the two."""

    bids: str = ""
    """Folder with one preprocessed folder per centre."""
    table: str = ""
    """CSV with one row per patient and a column of centres."""
    centres: tuple[str, ...] = ()
    """Centres that take part; empty: all centres in the data."""
    centre_column: str = "centre"
    """Column of the table that names the centre."""
    id_column: str = "patient_id"
    """Column of the table that names the patient."""
    person_column: str = ""
    """Column that names the person of each row, if a person has several rows; they share a fold."""
    endpoint: Literal["overall", "progression-free"] = "overall"
    """Overall survival, or progression-free survival by the ratings of ``flame assess``."""
    survival: tuple[str, ...] = ()
    """Two columns of the table: days, and status (1: died)."""
    simulated: bool = False
    """Whether the patients of the table are simulated."""
    horizon_days: Positive | None = None
    """Patients alive on this day are responders; without it the column ``response`` is read."""
    impute: dict[str, float] = field(default_factory=dict)
    """Values for missing clinical features, by name."""
    include: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest value of columns; patients outside, or without a value, are left out."""
    units: dict[str, str] = field(default_factory=dict)
    """Unit of columns, which a hospital's ``columns.toml`` must not contradict."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest possible value of columns; a site with another value refuses."""
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Categories of columns: two become 0 and 1 in this order, more become a feature each but the
    first. A value that is none of them, nor explained by ``columns.toml``, is refused."""
    unknown_status: Literal["died", "censored", "left out"] = "died"
    """What a known survival time without a status counts as."""
    visits: str = ""
    """Table of values by day, beside ``table`` or in the folder of each centre: the id column,
    ``day``, and further columns, which become the features ``visit.NAME``."""

    @property
    def declared(self) -> Columns:
        """The columns as the run declares them."""
        return Columns(self.units, self.ranges, self.categories)

    def rules(self) -> Iterator[Rule]:
        """Yield the rules: one source, and the keys that each source allows."""
        yield bool(self.bids) != bool(self.table), "set exactly one of data.bids and data.table"
        yield (
            self.bids or self.endpoint == "overall",
            "data.endpoint is for images: name the columns of a table in data.survival",
        )
        yield (
            len(self.survival) in (0, 2, 3),
            "data.survival: give two columns, days and status, and a third for a delayed entry",
        )
        yield (
            not (self.bids and self.survival),
            "data.survival is for tables: with data.bids, survival is read from participants.tsv",
        )
        yield (
            not set(self.visits) & set("/\\") and self.visits not in (".", ".."),
            "data.visits is the name of a file beside the table, without a folder",
        )
        yield (
            all(len(set(c)) == len(c) > 1 for c in self.categories.values()),
            "data.categories: list two or more different categories for each column",
        )
        yield (
            all(low < high for low, high in self.ranges.values()),
            "data.ranges: give the lowest value first, then the highest",
        )
        yield (
            all(low <= high for low, high in self.include.values()),
            "data.include: give the lowest value first, then the highest",
        )
        yield (
            not (self.table and self.horizon_days and not self.survival),
            "data.horizon_days of a table needs data.survival",
        )


OPTIMIZERS = (
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lion",
    "muon",
    "nadam",
    "rmsprop",
    "schedulefreeadamw",
    "sgd",
)
"""Optimizers of Keras; listed here, as a configuration is checked without loading Keras."""


@dataclass(frozen=True)
class TrainingConfig(Section):
    """Local training in each round, and the folds and seeds of its repetitions."""

    rounds: Count = 20
    """Rounds of training."""
    epochs: Count = 1
    """Passes over a centre's patients in each round."""
    batch_size: Annotated[int, Ge(0)] = 0
    """Patients per gradient step; 0: all of them."""
    optimizer: str = "adam"
    """Name of a Keras optimizer."""
    learning_rate: Positive = 1e-2
    """Learning rate of the optimizer."""
    folds: Annotated[int, Ge(2)] = 5
    """Cross-validation folds within each centre."""
    seeds: Annotated[tuple[Annotated[int, Ge(0)], ...], Len(1)] = (0,)
    """Seeds; each gives other folds and initial weights, and all trainings are repeated with it."""
    personalised: bool = False
    """Whether every centre continues from the federated model with its own patients."""
    validation: Annotated[int, Ge(0)] = 0
    """Every n-th training patient is held out for validation, and the round with the lowest loss on
    them becomes the model; 0: nobody is held out."""
    watch: Literal["mean", "worst"] = "mean"
    """Whether the validation loss is the mean over patients or that of the worst site."""
    patience: Annotated[int, Ge(0)] = 0
    """Rounds without a lower validation loss after which training ends; 0: it runs all rounds."""

    def rules(self) -> Iterator[Rule]:
        """Yield the rules: seeds differ, and patience needs validation."""
        yield len(set(self.seeds)) == len(self.seeds), "training.seeds: list each seed once"
        yield (
            self.optimizer.lower() in OPTIMIZERS,
            f"training.optimizer '{self.optimizer}' is unknown: "
            f"{nearest(self.optimizer, list(OPTIMIZERS))}",
        )
        yield self.validation != 1, "training.validation must be 2 or more (0: nobody is held out)"
        yield (
            self.validation or not self.patience,
            "training.patience needs training.validation",
        )


@dataclass(frozen=True)
class RegressionConfig(Section):
    """A Cox or logistic regression on the clinical features and radiotherapy of ``model``."""

    penalizer: Annotated[float, Ge(0)] | None = None
    """Ridge penalty as in lifelines, 1 / (C n) of scikit-learn; without it, cross-validation within
    the training patients chooses the penalty."""
    inner_folds: Annotated[int, Ge(2)] = 5
    """Folds of that cross-validation."""
    stratified: bool = True
    """Whether a Cox model has a baseline hazard for each centre. If so, a centre sends sums only;
    otherwise it sends its times of death and the sums at each of them."""


@dataclass(frozen=True)
class FederationConfig(Section):
    """Engine and aggregation."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "silence_s": "heartbeat_timeout_s",
        "min_sites": "min_available_sites",
    }

    engine: Literal["in-process", "flare"] = "in-process"
    """What carries the calls: this process, or NVIDIA FLARE with one process per site."""
    strategy: str = "fedavg"
    """Name of an aggregation strategy."""
    options: dict[str, float] = field(default_factory=dict)
    """Options of the strategy."""
    compare: tuple[str, ...] = ()
    """Further strategies, trained in process for comparison."""
    compare_options: dict[str, dict[str, float]] = field(default_factory=dict)
    """Options of the strategies in ``compare``, by the name of the strategy."""
    timeout_s: Positive = 600.0
    """Seconds that a site has to finish a call."""
    heartbeat_timeout_s: Positive = 60.0
    """Seconds without a response after which a site is lost."""
    min_available_sites: Annotated[int, Ge(0)] = 0
    """Sites that a round needs; 0: all of them."""
    secure: bool = False
    """Secure aggregation: the server sees only the sum over sites."""
    bits: Literal[8, 16, 32] = 32
    """Bits per value of the updates that sites send; below 32, weights go out in 16 bits."""

    def rules(self) -> Iterator[Rule]:
        """Yield the rules: no strategy is compared with itself, and secure sums are exact."""
        yield (
            self.strategy not in self.compare,
            "federation.compare lists federation.strategy itself: remove it",
        )
        yield (
            set(self.compare_options) <= set(self.compare),
            "federation.compare_options names a strategy that federation.compare does not list",
        )
        yield (
            self.bits == 32 or not self.secure,
            "federation.bits must be 32 with federation.secure, whose sums are exact",
        )


@dataclass(frozen=True)
class PrivacyConfig(Section):
    """Least numbers of patients behind the numbers that leave a centre; differential privacy."""

    least_patients: Count = 1
    """Least number of patients of a centre behind any sum of a training; with fewer the centre
    refuses."""
    least_count: Count = 5
    """Least number of patients of a centre behind any number of a description."""
    level: Literal["none", "patient", "centre"] = "none"
    """What differential privacy protects: a patient (each gradient is clipped) or a centre (the
    change of each round is clipped)."""
    clip: Positive = 1.0
    """Euclidean norm to which gradients or changes are clipped."""
    noise: Positive = 1.0
    """Standard deviation of the normal noise, in units of ``clip``."""
    delta: Annotated[float, Gt(0), Lt(1)] = 1e-5
    """Delta at which epsilon is reported."""
    bounds: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Lowest and highest value of every clinical feature, by which features are scaled."""

    @property
    def is_private(self) -> bool:
        """Return whether weights leave a centre only with noise."""
        return self.level != "none"


@dataclass(frozen=True)
class ValidationConfig(Section):
    """External validation of a model in a federation; ``flame validate`` sets it."""

    model: str = ""
    """The model as text."""


@dataclass(frozen=True)
class EvaluationConfig(Section):
    """Evaluation of a run."""

    margin: Positive | None = None
    """Non-inferiority margin: how much worse a model may be and still count as not worse; without
    it, the margin of the metric."""
    metrics: tuple[str, ...] = ()
    """Metrics in addition to those of the task."""
