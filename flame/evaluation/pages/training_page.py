"""Page of ``flame monitor``: training progress, during a run or after it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from flame.evaluation.pages.figures import legend_beside, panels, to_svg
from flame.evaluation.pages.page import page
from flame.evaluation.pages.sections import Section
from flame.federation.config import TrainConfig
from flame.federation.trainings import LOCAL, PERSONALISED, POOLED, in_words

_SHOWN = 6
"""Largest number of trainings whose losses are drawn."""


def render(
    config: TrainConfig,
    simulated: bool | None,
    history: pd.DataFrame,
    planned: Mapping[str, int],
    refresh_s: int = 0,
    running: bool = True,
) -> str:
    """Render the page.

    Args:
        config: configuration of the run.
        simulated: whether the patients are simulated; None where it is unknown.
        history: table of history.csv, oldest training first.
        planned: number of trainings of each kind that the run has in all.
        refresh_s: seconds after which a browser loads the page again; 0: never.
        running: whether a process may be writing to the run.

    Returns:
        The page as HTML.
    """
    trainings = list(history.groupby("training", sort=False))
    note = (
        f"Trainings that have begun: {len(trainings)}, newest first. Each has at most "
        f"{config.training.rounds} rounds."
    )
    sections = [
        Section(
            "trainings",
            "Trainings",
            note,
            ["training", "rounds", "mean loss", "validation loss", "seconds per round"],
            [_training(str(name), part) for name, part in reversed(trainings)],
        ),
        sites_section(history),
        losses_section(history),
    ]
    limits = [
        "The training loss does not show how a model performs on other patients; see the report "
        "of flame evaluate.",
        "A real federation trains no pooled model.",
    ]
    verdict = _progress(history, planned, config.training.rounds, running)
    return page(config, "Training progress", simulated, [], sections, limits, verdict, refresh_s)


def sites_section(history: pd.DataFrame) -> Section:
    """Build the table of sites: rounds, lost rounds, patients and seconds.

    Args:
        history: table of history.csv.

    Returns:
        The section.
    """
    return Section(
        "sites",
        "Sites",
        "Rounds in which a site replied, and rounds that continued without it.",
        ["site", "rounds", "lost rounds", "last reason", "patients", "median seconds"],
        [_site(str(name), part) for name, part in history.groupby("site")],
    )


def losses_section(history: pd.DataFrame) -> Section:
    """Build the figure of training losses by round.

    Args:
        history: table of history.csv.

    Returns:
        The section.
    """
    return Section(
        "losses",
        "Losses",
        f"Training loss of the last {_SHOWN} federated trainings. Black: mean over sites, "
        "weighted by their numbers of patients.",
        figure=Markup(_losses(history)),
    )


def _progress(history: pd.DataFrame, planned: Mapping[str, int], rounds: int, running: bool) -> str:
    """Say how far the latest kind of training is, and about how long it will still take."""
    latest = str(history.training.iloc[-1])
    kinds = [k for k in planned if latest.startswith((f"{k}.", f"{k}-"))]
    text = f"Latest: {in_words(latest)}, round {history['round'].iloc[-1]} of at most {rounds}."
    if not running:
        return f"{text} No process is writing to this run now."
    if not kinds:
        return text
    kind = max(kinds, key=len)
    of_kind = history[history.training.str.startswith((f"{kind}.", f"{kind}-"))]
    each_round = of_kind.drop_duplicates(["training", "round"])
    begun = of_kind.training.nunique()
    # Trainings before the latest have ended, maybe early; those to come may have all their rounds.
    to_come = (planned[kind] - begun + 1) * rounds - int(history["round"].iloc[-1])
    left = to_come * float(each_round.round_seconds.median())
    text += f" Of {planned[kind]} trainings of the kind {kind}, {begun} have begun."
    if to_come <= 0:
        return text + " All rounds of this kind are done."
    return text + f" At most {_duration(left)} left for this kind, by the median time of a round."


def _duration(seconds: float) -> str:
    if not np.isfinite(seconds):
        return "an unknown time"
    minutes = seconds / 60
    if minutes < 1:
        return f"{max(seconds, 1):.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _training(name: str, part: pd.DataFrame) -> list[str]:
    last = part[part["round"] == part["round"].max()]
    rounds = f"{last['round'].iloc[0]}"
    validation = last.get("validation", pd.Series(dtype=float)).mean()
    seconds = part.groupby("round").round_seconds.first().median()
    return [in_words(name), rounds, _number(_mean(last)), _number(validation), f"{seconds:.2f}"]


def _site(name: str, part: pd.DataFrame) -> list[str]:
    lost = part[part.lost.notna() & (part.lost != "")]
    replied = part.drop(lost.index)
    reason = str(lost.lost.iloc[-1]) if len(lost) else ""
    patients = f"{replied.patients.max():.0f}" if len(replied) else ""
    seconds = _number(replied.seconds.median())
    return [name, f"{len(replied)}", f"{len(lost)}", reason, patients, seconds]


def _mean(rows: pd.DataFrame) -> float:
    """Return the mean loss over sites, weighted by their numbers of patients."""
    known = rows[rows.loss.notna()]
    count = known.patients.sum()
    return float((known.loss * known.patients).sum() / count) if count else float("nan")


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"


def _losses(history: pd.DataFrame) -> str:
    trainings = list(history.training.unique())
    names = (
        [n for n in trainings if not n.startswith((LOCAL, POOLED, PERSONALISED))] or trainings
    )[-_SHOWN:]
    figure, axes = panels(len(names), 2.6, most=3)
    for place, (axis, name) in enumerate(zip(axes, names, strict=True)):
        part = history[history.training == name]
        for site, rows in part.groupby("site"):
            axis.plot(rows["round"], rows.loss, lw=1, alpha=0.7, label=str(site))
        mean = pd.Series({number: _mean(rows) for number, rows in part.groupby("round")})
        axis.plot(mean.index, mean, color="black", lw=1.5, label="mean")
        axis.set_title(in_words(name), fontsize=8)
        axis.set_xlabel("round")
        axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        if place == 0:
            axis.set_ylabel("loss")
    legend_beside(figure, axes)
    return to_svg(figure, "losses")
