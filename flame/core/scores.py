"""Results of training and evaluation: weights, updates, corrections and scores."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from numpy.typing import NDArray

Weights = list[NDArray[Any]]
"""Arrays of a network, or arrays of the same shapes that a strategy computes in float64."""


@dataclass(frozen=True, eq=False)
class Update:
    """Result that one site returns from a round of training.

    Args:
        centre: name of the centre.
        weights: trained weights.
        patients: number of patients that the site trained on.
        loss: training loss.
        seconds: time that training took, in s.
        steps: number of batches that the site trained on.
        also: weights of further models that the site trained, before ``weights``.
        losses: training loss of each model, in the order of ``also`` and ``weights``; empty if
            there is one model.
        since: weights that training began from; empty: those of the present state. They differ
            where sites do not wait for each other.
        staleness: number of rounds since training began.
    """

    centre: str
    weights: Weights
    patients: int
    loss: float
    seconds: float
    steps: int = 1
    also: tuple[Weights, ...] = ()
    losses: tuple[float, ...] = ()
    since: Weights = field(default_factory=list)
    staleness: int = 0


class Trained(NamedTuple):
    """Result of the local training of one model.

    Args:
        weights: trained weights.
        loss: mean training loss.
        steps: number of batches that were trained on.
    """

    weights: Weights
    loss: float
    steps: int


class Scored(NamedTuple):
    """One metric of a model on some patients, with the figures that pool it with other patients.

    Args:
        metric: name of the metric.
        value: value of the metric.
        variance: variance of the value over patients.
        weight: number of comparisons that the value is the mean of, such as pairs of patients or
            patients; 0 where the metric is undefined.
        n: number of patients.
        events: number of events among them.
    """

    metric: str
    value: float
    variance: float
    weight: float
    n: int
    events: int


@dataclass(frozen=True, eq=False)
class Correction:
    """How a site changes its gradients g at weights w: g + linear + proximal (w - towards).

    Args:
        linear: arrays in the shapes of the weights; empty: all zero.
        proximal: strength of the proximal term.
        towards: weights of the proximal term; empty: those that training starts from.
        frozen: whether each array of the weights stays unchanged; empty: all are trained.
        start: weights that training of a further model starts from; empty: the site continues with
            the model that it has.
    """

    linear: Weights = field(default_factory=list)
    proximal: float = 0.0
    towards: Weights = field(default_factory=list)
    frozen: list[bool] = field(default_factory=list)
    start: Weights = field(default_factory=list)


@dataclass(frozen=True)
class CentreScore:
    """One metric of one model at one centre.

    Args:
        model: name of the model.
        trained_on: names of the centres that it was trained on.
        tested_on: name of the centre that it was tested on.
        metric: name of the metric.
        value: value of the metric; NaN where it is undefined.
        low: lower end of the 95 % interval over patients.
        high: upper end of the 95 % interval over patients.
        n: number of patients.
        events: number of responders among them; of deaths, for the C-index.
        reason: why the metric is undefined; empty: it is defined.
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
    """Difference between two models in one metric, on the same patients of one centre.

    Args:
        model: name of the first model.
        against: name of the second model, whose value is subtracted.
        tested_on: name of the centre.
        metric: name of the metric.
        value: the difference; NaN where it is undefined.
        low: lower end of its 95 % interval.
        high: upper end of its 95 % interval.
        reason: why it is undefined; empty: it is defined.
    """

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
    """All scores of a run. They stay separate by centre, as a mean of AUCs is not an AUC.

    Args:
        centres: names of the centres.
        scores: scores of every model at every centre.
        differences: differences between models.
        metric: name of the main metric.
        simulated: whether the data are simulated.
    """

    centres: tuple[str, ...]
    scores: tuple[CentreScore, ...]
    differences: tuple[Difference, ...]
    metric: str
    simulated: bool
