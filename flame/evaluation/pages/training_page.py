"""Page of ``flame monitor``: the progress of training, during a run or after it."""

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from flame.evaluation.pages.figures import to_svg
from flame.evaluation.pages.page import page
from flame.evaluation.pages.sections import Section
from flame.federation.config import TrainConfig
from flame.federation.trainings import LOCAL, POOLED

_SHOWN = 6
"""Largest number of trainings that are drawn."""


def render(config: TrainConfig, simulated: bool | None, history: pd.DataFrame) -> str:
    """Return the page as HTML.

    Args:
        config: configuration of the run.
        simulated: whether the patients are simulated; None where it is unknown.
        history: table as in history.csv, oldest training first.
    """
    trainings = list(history.groupby("training", sort=False))
    note = (
        f"{len(trainings)} have begun, the newest first; a training has at most "
        f"{config.training.rounds} rounds."
    )
    sections = [
        Section(
            "trainings",
            "Trainings",
            note,
            ["training", "rounds", "mean loss", "validation", "s a round"],
            [_training(str(name), part) for name, part in reversed(trainings)],
        ),
        Section(
            "sites",
            "Sites",
            "Rounds that a site answered and rounds that went on without it.",
            ["site", "answered", "lost", "why, the last time", "patients", "median s"],
            [_site(str(name), part) for name, part in history.groupby("site")],
        ),
        Section(
            "losses",
            "Losses",
            f"On the patients trained on, of the last {_SHOWN} federated trainings; black: "
            "the mean over sites by their patients.",
            figure=Markup(_losses(history)),
        ),
    ]
    limits = [
        "A loss on the patients trained on says nothing about how a model holds on others; "
        "flame evaluate does.",
        "A real federation trains no pooled model.",
    ]
    return page(config, "How training goes", simulated, [], sections, limits)


def _training(name: str, part: pd.DataFrame) -> list[str]:
    last = part[part["round"] == part["round"].max()]
    kept = last.get("validation", pd.Series(dtype=float)).mean()
    seconds = part.groupby("round").round_seconds.first().median()
    return [name, f"{last['round'].iloc[0]}", _number(_mean(last)), _number(kept), f"{seconds:.2f}"]


def _site(name: str, part: pd.DataFrame) -> list[str]:
    lost = part[part.lost.notna() & (part.lost != "")]
    there = part.drop(lost.index)
    why = str(lost.lost.iloc[-1]) if len(lost) else ""
    patients = f"{there.patients.max():.0f}" if len(there) else ""
    return [name, f"{len(there)}", f"{len(lost)}", why, patients, _number(there.seconds.median())]


def _mean(rows: pd.DataFrame) -> float:
    known = rows[rows.loss.notna()]
    count = known.patients.sum()
    return float((known.loss * known.patients).sum() / count) if count else float("nan")


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def _losses(history: pd.DataFrame) -> str:
    every = list(history.training.unique())
    names = ([n for n in every if not n.startswith((LOCAL, POOLED))] or every)[-_SHOWN:]
    high, wide = 1 + (len(names) > 3), min(len(names), 3)
    figure = Figure(figsize=(3.4 * wide, 2.6 * high), layout="constrained")
    for place, name in enumerate(names):
        axis = figure.add_subplot(high, wide, place + 1)
        part = history[history.training == name]
        for site, rows in part.groupby("site"):
            axis.plot(rows["round"], rows.loss, lw=1, alpha=0.7, label=str(site))
        mean = pd.Series({number: _mean(rows) for number, rows in part.groupby("round")})
        axis.plot(mean.index, mean, color="black", lw=1.5)
        axis.set_title(name, fontsize=8)
        axis.set_xlabel("round")
        if place == 0:
            axis.set_ylabel("loss")
            axis.legend(fontsize=6)
    return to_svg(figure, "losses")
