"""Sections that only reports on response or survival have."""

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from flame.core.cohort import Cohort
from flame.evaluation.metrics.estimates import Estimate
from flame.evaluation.metrics.metric import METRICS
from flame.evaluation.outcomes import figures
from flame.evaluation.outcomes.adaptation import ROUNDS
from flame.evaluation.outcomes.effects import HIGH, LOW, Effect
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.evaluation.outcomes.outcome import Outcome
from flame.evaluation.outcomes.shortcut import Shortcut
from flame.evaluation.pages.sections import Cell, Section, figure_cell
from flame.federation.config import TrainConfig
from flame.federation.task import Row, Task
from flame.models.response.inputs import Inputs


def limits(task: Task[Any]) -> list[str]:
    """Return notes on how to read the figures of a run.

    Args:
        task: task of the run.
    """
    config = task.config
    found = [
        "With several seeds AUC, C-index and Brier score are means over seeds; curves and "
        "calibration are of the prediction averaged over seeds.",
        "AUC and C-index compare patients predicted by the same model only (the same fold).",
        "A missing status with a known survival time counts as a death.",
    ]
    if config.data.person_column:
        found.append(
            "Persons have several rows here, and all intervals and counts are of rows: they are "
            "narrower than those of persons would be."
        )
    found += task.texts().limits
    if config.data.horizon_days:
        found.append(
            f"Response means alive at {config.data.horizon_days:g} days; patients censored before "
            "that have no label."
        )
    return found


def cohort_rows(counts: list[Row], cohorts: list[Cohort]) -> list[Row]:
    """Add median age and radiotherapy to the table of centres, where they are known.

    Args:
        counts: one row for each centre.
        cohorts: cohort of each centre, in the same order.
    """
    rows = [dict(row) for row in counts]
    people = [p for c in cohorts for p in c.patients]
    for row, cohort in zip(rows, cohorts, strict=True):
        if all("age" in p.clinical for p in people):
            row["median age"] = f"{np.nanmedian([p.clinical['age'] for p in cohort.patients]):.0f}"
        if any(p.treatment for p in people):
            row["radiotherapy"] = _radiations(cohort)
    return rows


def _radiations(cohort: Cohort) -> str:
    counts: dict[str, int] = {}
    for patient in cohort.patients:
        phases = patient.treatment.phases if patient.treatment else ()
        name = " + ".join(dict.fromkeys(p.radiation.value for p in phases)) or "unknown"
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def outcome_sections(
    config: TrainConfig,
    outcome: Outcome,
    predictions: list[Predictions],
    inputs: list[Inputs],
    groups: pd.DataFrame,
    shortcut: Shortcut | None,
    effects: list[Effect],
    members: dict[str, tuple[Estimate, float]],
    adapted: pd.DataFrame,
) -> list[Section]:
    """Return the sections with curves, subgroups, shortcut probe, effects and audit.

    Args:
        config: configuration of the run.
        outcome: the kind of outcome.
        predictions: predictions of all models.
        inputs: patients of each centre.
        groups: table as of ``subgroups``.
        shortcut: result of ``probe``; None with one centre.
        effects: result of ``feature_effects``.
        members: result of ``membership``.
        adapted: table as of ``adaptation``.
    """
    sections = [
        Section(
            "survival",
            "Survival of predicted groups",
            "By the federated model that never "
            f"saw the centre; the cut is {outcome.cut_text} the centres it was trained on.",
            figure=Markup(figures.survival_figure(outcome, predictions, inputs)),
        ),
        _subgroups(outcome, groups),
        *([_shortcut(outcome, shortcut)] if shortcut else []),
        *([_effects(outcome, effects)] if effects else []),
    ]
    if not outcome.is_probability:
        return sections
    drawn = [
        ("roc", "ROC by centre", "", figures.roc_figure),
        (
            "calibration",
            "Calibration by centre",
            "Up to five groups of equal size.",
            figures.calibration_figure,
        ),
        (
            "decision",
            "Decision curves by centre",
            "Net benefit of calling a patient a responder "
            "from a threshold on; useful where it lies above calling everyone and above 0.",
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


def _subgroups(outcome: Outcome, groups: pd.DataFrame) -> Section:
    measure = METRICS[outcome.metric]
    rows: list[list[str | Cell]] = [
        [
            r["subgroup"],
            r["value"],
            r["model"],
            str(r["n"]),
            _cell(Estimate(r[outcome.metric], r["low"], r["high"], r["reason"])),
        ]
        for r in groups.to_dict("records")
    ]
    return Section(
        "subgroups",
        "Subgroups",
        "Pairs of patients of one centre and fold, over all centres. Sex is as the table codes it.",
        ["subgroup", "value", "model", "n", measure.title],
        rows,
    )


def _shortcut(outcome: Outcome, found: Shortcut) -> Section:
    measure = METRICS[outcome.metric]
    telling = (
        "no tabular features"
        if np.isnan(found.telling)
        else (f"{found.telling:.2f} (chance {found.chance:.2f})")
    )
    return Section(
        "shortcut",
        "Could the hospital be a shortcut?",
        "Where knowing the hospital alone does well over all patients, a model can look good "
        "without knowing patients. Pairs within a hospital do not reward that.",
        ["what", measure.title],
        [
            ["hospital alone, all patients", _cell(found.centre_only)],
            ["federated model, all patients", _cell(found.model)],
            ["federated model, pairs within a hospital", _cell(found.within)],
            ["features tell the hospital (balanced accuracy)", Cell(telling)],
        ],
    )


def _effects(outcome: Outcome, effects: list[Effect]) -> Section:
    return Section(
        "effects",
        "What the model looks at",
        f"Change of the federated model's prediction as one feature goes from its {LOW:.0%} to its "
        f"{HIGH:.0%} quantile and nothing else changes; a dot a centre. Features that go together "
        "share what they have in common.",
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
        "A new hospital with a few patients of its own",
        "The federated model that never saw the hospital, as it is, with its intercept and slope "
        f"fitted to n of its patients, and trained on them for {ROUNDS} rounds; tested on all its "
        f"others. Means over up to {draws} draws (bands: the middle 90 %), first seed.",
        ["centre", "n", "way", "AUC", "Brier score"],
        rows,
        figure=Markup(figures.adaptation_figure(adapted)),
    )


def _members(config: TrainConfig, members: dict[str, tuple[Estimate, float]]) -> Section:
    privacy = config.privacy
    protected = "without differential privacy"
    if privacy.is_private:
        protected = (
            f"with differential privacy of each {privacy.level} (noise {privacy.noise:g}, clipped "
            f"at {privacy.clip:g}; epsilon is in privacy.csv)"
        )
    rows: list[list[str | Cell]] = [
        [kind, _cell(auc), "" if np.isnan(caught) else f"{caught:.2f}"]
        for kind, (auc, caught) in members.items()
    ]
    return Section(
        "membership",
        "Who was in training",
        "An attacker who has the model guesses that a patient was in training where its loss is "
        f"low, {protected}. AUC 0.5 and 0.1 of members found mean that it gives nothing away.",
        ["model", "AUC of the attack", "members found at 10 % false alarms"],
        rows,
    )


def _cell(estimate: Estimate) -> Cell:
    return figure_cell(estimate.value, estimate.low, estimate.high, str(estimate.reason))
