"""The sections of a training run's configuration."""

from dataclasses import dataclass, field

ENGINES = ("in-process", "flare")
ENDPOINTS = ("overall", "progression-free")
WATCHED = ("mean", "worst")
PRIVACY_LEVELS = ("none", "patient", "centre")


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

    Not given, it is that of ``flame.evaluation.metrics.metric_specs``.
    """

    margin: float | None = None
