"""Report sections of tasks on response and on survival."""

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from flame.evaluation.metrics.estimates import Estimate
from flame.evaluation.metrics.metric import METRICS
from flame.evaluation.outcomes import figures
from flame.evaluation.outcomes.adaptation import ROUNDS
from flame.evaluation.outcomes.effects import HIGH, LOW, Effect
from flame.evaluation.outcomes.membership import Audit
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.evaluation.outcomes.outcome import Outcome
from flame.evaluation.outcomes.shortcut import Shortcut
from flame.evaluation.pages.sections import Cell, Section, figure_cell
from flame.federation.config import TrainConfig
from flame.federation.task import Task
from flame.models.response.inputs import Inputs


def limits(task: Task[Any]) -> list[str]:
    """Collect the notes on how to read the results of a run.

    Args:
        task: task of the run.

    Returns:
        Sentences for the end of the report.
    """
    config = task.config
    notes = [
        "With several seeds, all metrics are averaged over seeds. Curves are of predictions that "
        "are averaged over seeds.",
        "AUC and C-index only compare patients of the same fold, who were predicted by the same "
        "model.",
    ]
    if config.data.unknown_status == "died":
        notes.append(
            "A missing status with a known survival time is counted as a death. This biases "
            "survival downwards where the status is often missing."
        )
    notes.append(
        "Harmonisation between hospitals (flame harmonise, or landmarks of intensities), if the "
        "data had any, was fitted beforehand, with the patients who are tested here."
    )
    if config.data.person_column:
        notes.append(
            "A person can have several rows. Counts and intervals are based on rows, so intervals "
            "are narrower than intervals based on persons."
        )
    notes += task.texts().limits
    if config.data.horizon_days:
        notes.append(
            f"Response means survival to day {config.data.horizon_days:g}. Patients censored "
            "earlier have no label."
        )
    return notes


def outcome_sections(
    config: TrainConfig,
    outcome: Outcome,
    predictions: list[Predictions],
    inputs: list[Inputs],
    groups: pd.DataFrame,
    shortcut: Shortcut | None,
    effects: list[Effect],
    members: dict[str, Audit],
    adapted: pd.DataFrame,
) -> list[Section]:
    """Build the sections with curves, subgroups, shortcut probe, feature effects and audit.

    Args:
        config: configuration of the run.
        outcome: kind of outcome.
        predictions: predictions of all models.
        inputs: patients of each centre.
        groups: table of ``subgroups``.
        shortcut: result of ``probe``; None with one centre.
        effects: result of ``feature_effects``.
        members: result of ``membership``.
        adapted: table of ``adaptation``.

    Returns:
        The sections in the order of the page. Sections on probabilities (ROC, calibration, decision
        curves, adaptation, audit) are missing for other outcomes.
    """
    main = "the model that never saw the hospital" if len(inputs) > 1 else "the federated model"
    sections = [
        *(
            [_survival(outcome, predictions, inputs)]
            if any(np.isfinite(i.survival_days).any() for i in inputs)
            else []
        ),
        _subgroups(outcome, groups),
        *([_shortcut(outcome, shortcut)] if shortcut else []),
        *([_effects(outcome, effects)] if effects else []),
    ]
    if not outcome.is_probability:
        return sections
    drawn = [
        (
            "roc",
            "ROC curves by hospital",
            "Numbers: AUC as in the tables, which compare patients of the same fold. Curves put "
            f"all folds together. Band: pointwise 95 % of {main}, by the bootstrap over patients.",
            figures.roc_figure,
        ),
        (
            "calibration",
            "Calibration by hospital",
            "Observed share of responders against the predicted probability, in up to five groups "
            f"of equal size. Of {main}: Wilson 95 % intervals, below them the number of patients "
            "of each group, and the calibration slope.",
            figures.calibration_figure,
        ),
        (
            "decision",
            "Decision curves by hospital",
            "Net benefit of classifying patients as responders from a threshold probability on. A "
            "model is useful where its curve lies above 0 and above the curve of all patients, "
            "which classifies everyone as a responder.",
            figures.decision_figure,
        ),
    ]
    return [
        *(
            Section(i, title, note, figure=Markup(draw(predictions, inputs)))
            for i, title, note, draw in drawn
        ),
        *sections,
        *([_adapted(config, adapted)] if len(adapted) else []),
        _members(config, members),
    ]


def _survival(outcome: Outcome, predictions: list[Predictions], inputs: list[Inputs]) -> Section:
    return Section(
        "survival",
        "Survival of predicted groups",
        "Groups predicted by a federated model that was not trained on these patients (with "
        "several hospitals: not trained at their hospital). The cut between the groups is "
        f"{outcome.cut_text} the training hospitals of that model. Bands: 95 %. Below the axis: "
        "patients at risk of each group, in its colour.",
        figure=Markup(figures.survival_figure(outcome, predictions, inputs)),
    )


def _subgroups(outcome: Outcome, groups: pd.DataFrame) -> Section:
    measure = METRICS[outcome.metric]
    rows: list[list[str | Cell]] = [
        [
            r["subgroup"],
            r["value"],
            r["model"],
            str(r["n"]),
            _cell(Estimate(r[outcome.metric], r["low"], r["high"], r["reason"])),
            *(
                [_cell(Estimate(r["observed - predicted"], r["gap low"], r["gap high"]))]
                if outcome.is_probability
                else []
            ),
        ]
        for r in groups.to_dict("records")
    ]
    calibration = ["observed - predicted"] if outcome.is_probability else []
    return Section(
        "subgroups",
        "Subgroups",
        "The metric compares pairs of patients of the same hospital and fold, over all hospitals. "
        + "Observed - predicted is the share of responders less the mean probability: a subgroup "
        "whose interval excludes 0 is predicted too high (below 0) or too low (above 0). "
        * outcome.is_probability
        + "Sex is shown as coded in the clinical table.",
        ["subgroup", "value", "model", "n", measure.title, *calibration],
        rows,
    )


def _shortcut(outcome: Outcome, shortcut: Shortcut) -> Section:
    measure = METRICS[outcome.metric]
    accuracy = (
        "undefined without tabular features or with fewer than five patients at a hospital"
        if np.isnan(shortcut.telling)
        else f"{shortcut.telling:.2f} (chance {shortcut.chance:.2f})"
    )
    return Section(
        "shortcut",
        "Hospital as a shortcut",
        "If the hospital alone predicts the outcome well over all patients, a model can score well "
        "by recognising the hospital. Comparing only patients of the same hospital excludes this "
        "effect.",
        ["prediction", measure.title],
        [
            ["hospital alone, all patients", _cell(shortcut.centre_only)],
            ["federated model, all patients", _cell(shortcut.model)],
            ["federated model, pairs within a hospital", _cell(shortcut.within)],
            ["hospital predicted from the features (balanced accuracy)", Cell(accuracy)],
        ],
    )


def _effects(outcome: Outcome, effects: list[Effect]) -> Section:
    return Section(
        "effects",
        "Feature effects",
        "Mean change of the federated model's prediction when one feature goes from its "
        f"{100 * LOW:.0f} % to its {100 * HIGH:.0f} % quantile and all other features stay "
        "unchanged (partial dependence). Bars show means over hospitals, and each dot is one "
        "hospital. Correlated features share their effect.",
        figure=Markup(figures.effects_figure(effects, outcome.effect_unit)),
    )


def _adapted(config: TrainConfig, adapted: pd.DataFrame) -> Section:
    means = adapted.groupby(["centre", "n", "way"], sort=False)[["auc", "brier"]].mean()
    rows: list[list[str | Cell]] = [
        [str(r["centre"]), str(r["n"]), str(r["way"]), f"{r['auc']:.2f}", f"{r['brier']:.3f}"]
        for r in means.reset_index().to_dict("records")
    ]
    draws = adapted.draw.nunique()
    return Section(
        "adaptation",
        "Adaptation to a new hospital",
        "The federated model that was not trained at the hospital: unchanged (as it is), with "
        "intercept and slope fitted to n patients of the hospital (recalibrated), and trained on "
        f"these patients for {ROUNDS} rounds (fine-tuned). All are tested on the other patients of "
        f"the hospital. Means over up to {draws} draws (bars: central 90 %), first seed.",
        ["hospital", "n", "adaptation", "AUC", "Brier score"],
        rows,
        figure=Markup(figures.adaptation_figure(adapted)),
    )


def _members(config: TrainConfig, members: dict[str, Audit]) -> Section:
    privacy = config.privacy
    protected = "without differential privacy"
    if privacy.is_private:
        protected = (
            f"with {privacy.level}-level differential privacy (noise multiplier "
            f"{privacy.noise:g}, clipping norm {privacy.clip:g}; epsilon: see privacy.csv)"
        )
    rows: list[list[str | Cell]] = [
        [kind, _cell(audit.auc), _share(audit.caught), _cell(audit.lira), _share(audit.lira_caught)]
        for kind, audit in members.items()
    ]
    return Section(
        "membership",
        "Membership-inference audit",
        "An attacker who has the model wants to know whether a patient was in its training. The "
        "first attack looks at the loss alone. LiRA also has other models, trained with and "
        "without the patient: here those of the other folds and seeds. This run was trained "
        f"{protected}. An AUC of 0.5 and a true-positive rate (TPR) of 0.1 mean that an attack is "
        "at chance: the attacker gains nothing by it. Stronger attacks are not excluded.",
        [
            "model",
            "AUC by the loss",
            "TPR at 10 % false positives",
            "AUC of LiRA",
            "TPR at 10 % false positives",
        ],
        rows,
    )


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def _cell(estimate: Estimate) -> Cell:
    return figure_cell(estimate.value, estimate.low, estimate.high, str(estimate.reason))
