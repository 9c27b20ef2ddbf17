"""What models give back and how well it holds."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

Weights = list[NDArray[Any]]
"""Arrays of a network; of a strategy also float64."""


@dataclass(frozen=True, eq=False)
class Update:
    """What one site returns from a round: weights, the patients they rest on, training loss.

    ``steps`` counts the batches that were learned. ``also`` are weights of further models that were
    trained. Where sites do not wait for each other, ``since`` are the weights that training began
    from, ``staleness`` rounds ago; empty: the server's own.
    """

    centre: str
    weights: Weights
    patients: int
    loss: float
    seconds: float
    steps: int = 1
    also: tuple[Weights, ...] = ()
    since: Weights = field(default_factory=list)
    staleness: int = 0


class Trained(NamedTuple):
    """What local training gives: new weights, the mean loss, and how many batches were learned."""

    weights: Weights
    loss: float
    steps: int


class Scored(NamedTuple):
    """One figure of a model on some patients, and how it adds up with that on others.

    ``weight`` is the number of comparisons that ``value`` is the mean of: pairs of patients, or
    patients; 0 where it is undefined. ``variance`` is that of the value over patients.
    """

    metric: str
    value: float
    variance: float
    weight: float
    n: int
    events: int


@dataclass(frozen=True, eq=False)
class Correction:
    """How gradients g at weights w are changed before a step: g + linear + proximal (w - towards).

    ``linear`` and ``towards`` have the shapes of the weights, or are empty: nothing, and the
    weights that training starts from. Arrays that are ``frozen`` do not move at all. With ``start``
    another model is trained, from there.
    """

    linear: Weights = field(default_factory=list)
    proximal: float = 0.0
    towards: Weights = field(default_factory=list)
    frozen: list[bool] = field(default_factory=list)
    start: Weights = field(default_factory=list)


@dataclass(frozen=True)
class Prediction:
    """Probability of response of one patient, with an interval where the model gives one."""

    pseudonym: str
    probability: float
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class CentreScore:
    """One figure of one model at one centre. Undefined figures are NaN and ``reason`` says why.

    ``low`` and ``high`` bound a 95 % interval over patients; ``events`` counts the responders
    (or, for the C-index, the deaths) among ``n`` patients.
    """

    model: str
    trained_on: tuple[str, ...]
    tested_on: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    events: int
    reason: str = ""


@dataclass(frozen=True)
class Difference:
    """``metric`` of ``model`` minus that of ``against`` on the same patients of one centre."""

    model: str
    against: str
    tested_on: str
    metric: str
    value: float
    low: float
    high: float
    reason: str


@dataclass(frozen=True)
class GeneralisationReport:
    """All scores of a run. Scores of centres stay apart: a mean AUC over centres is no AUC.

    ``metric`` is the one that the run is about.
    """

    centres: tuple[str, ...]
    scores: tuple[CentreScore, ...]
    differences: tuple[Difference, ...]
    metric: str
    simulated: bool
