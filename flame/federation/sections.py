"""The sections of a training run's configuration; each checks itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Len, Lt

from flame.core.config import Rule, Section

Positive = Annotated[float, Gt(0)]
Count = Annotated[int, Ge(1)]


@dataclass(frozen=True)
class DataConfig(Section):
    """Where the cohorts are: BIDS derivatives or one table; exactly one of the two."""

    bids: str = ""
    """Folder with one preprocessed folder a centre."""
    table: str = ""
    """CSV with a row a patient and a column of centres."""
    centres: tuple[str, ...] = ()
    """Centres that take part; empty: every one found."""
    centre_column: str = "centre"
    """Column of the table that names the centre."""
    id_column: str = "patient_id"
    """Column of the table that names the patient."""
    person_column: str = ""
    """Column that says whose row it is where a person has several; they share a fold."""
    endpoint: Literal["overall", "progression-free"] = "overall"
    """Overall survival, or progression-free survival by the ratings of ``flame assess``."""
    survival: tuple[str, ...] = ()
    """Two columns of the table: days, and status (1 died)."""
    simulated: bool = False
    """Whether the patients of the table are simulated."""
    horizon_days: Positive | None = None
    """Response is being alive at this day; without it the column ``response`` is read."""
    impute: dict[str, float] = field(default_factory=dict)
    """Values for missing clinical features, by name."""

    def rules(self) -> Iterator[Rule]:
        """One source, and what goes with each."""
        yield bool(self.bids) != bool(self.table), "set exactly one of data.bids and data.table"
        yield (
            self.bids or self.endpoint == "overall",
            "data.endpoint is for images: name the columns of a table in data.survival",
        )
        yield len(self.survival) in (0, 2), "data.survival: two columns, days and status"
        yield (
            not (self.bids and self.survival),
            "data.survival is for tables: see participants",
        )
        yield (
            not (self.table and self.horizon_days and not self.survival),
            "data.horizon_days of a table needs data.survival",
        )


@dataclass(frozen=True)
class TrainingConfig(Section):
    """Local training in each round, and how often everything is repeated."""

    rounds: Count = 20
    """Rounds of training."""
    epochs: Count = 1
    """Passes over a centre's patients in each round."""
    batch_size: Annotated[int, Ge(0)] = 0
    """Patients a gradient step; 0: all of them."""
    optimizer: str = "adam"
    """Name of a Keras optimizer."""
    learning_rate: Positive = 1e-2
    """Learning rate of the optimizer."""
    folds: Annotated[int, Ge(2)] = 5
    """Cross-validation folds within each centre."""
    seeds: Annotated[tuple[Annotated[int, Ge(0)], ...], Len(1)] = (0,)
    """Each repeats folds and initial weights."""
    personalised: bool = False
    """Whether every centre continues from the federated model with its own patients."""
    validation: Annotated[int, Ge(0)] = 0
    """Every n-th training patient is held out for validation, and the round of the lowest loss on
    them is kept; 0: nobody."""
    watch: Literal["mean", "worst"] = "mean"
    """Whether the validation loss is the mean over patients or that of the worst site."""
    patience: Annotated[int, Ge(0)] = 0
    """Training ends when so many rounds brought no lower validation loss; 0: it does not."""

    def rules(self) -> Iterator[Rule]:
        """Seeds differ, and patience needs validation."""
        yield len(set(self.seeds)) == len(self.seeds), "training.seeds: each once"
        yield self.validation != 1, "training.validation: 2 or more (0: nobody is held out)"
        yield (
            self.validation or not self.patience,
            "training.patience needs training.validation",
        )


@dataclass(frozen=True)
class RegressionConfig(Section):
    """A Cox or logistic regression on the clinical features and radiotherapy of ``model``."""

    penalizer: Annotated[float, Ge(0)] | None = None
    """Ridge penalty as in lifelines, 1 / (C n) of scikit-learn; not given, cross-validation within
    the training patients chooses it."""
    inner_folds: Annotated[int, Ge(2)] = 5
    """Folds of that cross-validation."""
    stratified: bool = True
    """Whether a Cox model has a baseline hazard for each centre, which then sends sums only.
    Without, a centre sends its times of death and sums at each."""


@dataclass(frozen=True)
class FederationConfig(Section):
    """Engine and aggregation."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "silence_s": "heartbeat_timeout_s",
        "min_sites": "min_available_sites",
    }

    engine: Literal["in-process", "flare"] = "in-process"
    """What carries the calls: this process, or NVIDIA FLARE with a process a site."""
    strategy: str = "fedavg"
    """Name of an aggregation strategy."""
    options: dict[str, float] = field(default_factory=dict)
    """Options of the strategy."""
    compare: tuple[str, ...] = ()
    """Strategies that are trained beside it, in process, with their default options."""
    timeout_s: Positive = 600.0
    """Seconds that a site has to finish a call."""
    heartbeat_timeout_s: Positive = 60.0
    """Seconds without a sign of life after which a site is lost."""
    min_available_sites: Annotated[int, Ge(0)] = 0
    """Sites that a round needs; 0: all of them."""
    secure: bool = False
    """Secure aggregation: the server sees the sum over sites alone."""
    bits: Literal[8, 16, 32] = 32
    """Bits a value of what sites send back; below 32, weights are sent in 16 bits."""

    def rules(self) -> Iterator[Rule]:
        """The strategy is not compared with itself, and secure sums are exact."""
        yield (
            self.strategy not in self.compare,
            "federation.compare: the strategy itself is there already",
        )
        yield (
            self.bits == 32 or not self.secure,
            "federation.bits below 32: not with federation.secure, whose sums are exact",
        )


@dataclass(frozen=True)
class PrivacyConfig(Section):
    """Least numbers of patients behind what leaves a centre, and differential privacy."""

    least_patients: Count = 1
    """Patients of a centre behind any sum of a training; with fewer it refuses."""
    least_count: Count = 5
    """Patients of a centre behind any number of a description."""
    level: Literal["none", "patient", "centre"] = "none"
    """What differential privacy protects: a patient (each gradient is clipped) or a centre (the
    change of a round is clipped)."""
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
        """Whether weights leave a centre with noise only."""
        return self.level != "none"


@dataclass(frozen=True)
class EvaluationConfig(Section):
    """How a run is evaluated."""

    margin: Positive | None = None
    """By how much a model may be worse and still count as not worse; not given, the metric's."""
    metrics: tuple[str, ...] = ()
    """Metrics beside those of the task."""
