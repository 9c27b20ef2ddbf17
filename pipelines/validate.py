"""``flame validate``: external validation of a model on patients with known outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flame.bundles.cohorts import read_cohorts
from flame.bundles.model import open_model
from flame.core.errors import BadInput
from flame.core.files import atomic_path, write_text
from flame.core.progress import Progress, silent
from flame.federation.tasks.tabular import unknown_status
from flame.pipelines.predict import check_free

PAGE = "validation.html"
"""Page of the validation, which also marks the folder as one of this command."""


@dataclass(frozen=True)
class ValidateResult:
    """Result of ``flame validate``.

    Args:
        metrics: one row per hospital, prediction and metric.
        verdict: the result in one sentence.
        warnings: warnings to show.
        html: path of the page.
    """

    metrics: pd.DataFrame
    verdict: str
    warnings: tuple[str, ...]
    html: Path


def run(
    model: Path,
    target: Path,
    out: Path,
    compare: Sequence[Path] = (),
    overrides: Sequence[str] = (),
    progress: Progress = silent,
) -> ValidateResult:
    """Validate a model; nothing is trained.

    metrics.csv, differences.csv and subgroups.csv hold the figures, metrics.tex the table for a
    paper, figures/ each figure as SVG and PDF, and predictions.csv a row per patient, which stays
    at the hospital.

    Args:
        model: a bundle of ``flame export``, or a run folder.
        target: a table with outcomes, or a preprocessed centre.
        out: new folder, or one of an earlier validation.
        compare: further models on the same outcome, such as one on clinical features alone.
        overrides: ``data.key=value``, such as ``data.id_column=subject``.
        progress: called with steps done and the total.

    Returns:
        The figures, the verdict, warnings, and the path of the page.

    Raises:
        BadInput: the target does not suit a model, or the outcome is unknown.
    """
    from flame.bundles import validation
    from flame.bundles.validation_figures import figures
    from flame.bundles.validation_page import latex, render, verdict

    check_free(out, PAGE)
    opened = open_model(model).configured(overrides)
    if not opened.task.outcome:
        raise BadInput(f"{model} predicts no outcome; give a model on response or survival")
    if opened.sources:
        _check_unseen(opened.sources, target)
    others = [open_model(path).configured(overrides) for path in compare]
    read = [(m, read_cohorts(m, target, with_outcome=True)) for m in (opened, *others)]
    progress(1, 4)
    cohorts = validation.with_references(validation.gather(opened, read[0][1], read[1:]))
    metrics = validation.metrics(cohorts)
    progress(2, 4)
    tables = {
        "metrics": metrics,
        "differences": validation.differences(cohorts),
        "subgroups": validation.subgroups(cohorts),
    }
    progress(3, 4)
    drawn = figures(cohorts)
    for name, table in tables.items():
        write_text(out / f"{name}.csv", table.to_csv(index=False, na_rep="nan"))
    write_text(out / "predictions.csv", cohorts.tables.to_csv(index=False, na_rep="nan"), True)
    write_text(out / "metrics.tex", latex(metrics))
    for name, (_, figure) in drawn.items():
        for kind in ("svg", "pdf"):
            with atomic_path(out / "figures" / f"{name}.{kind}") as temporary:
                figure.savefig(temporary, format=kind, metadata={_DATE[kind]: None})
    html = render(cohorts, metrics, tables["differences"], tables["subgroups"], drawn)
    write_text(out / PAGE, html)
    progress(4, 4)
    left_out = int(cohorts.tables["note"].fillna("").str.len().gt(0).sum())
    warnings = unknown_status(read[0][1])
    if left_out:
        warnings.append(f"{left_out} patients have notes; see predictions.csv")
    return ValidateResult(metrics, verdict(cohorts, metrics), tuple(warnings), out / PAGE)


_DATE = {"svg": "Date", "pdf": "CreationDate"}
"""Metadata that differ between equal figures."""


def _check_unseen(sources: frozenset[str], target: Path) -> None:
    """Refuse a table or patients that the run was trained on.

    Raises:
        BadInput: the model would be tested on its own patients.
    """
    own = target.name in sources or (
        target.is_dir() and any(p.name in sources for p in target.glob("sub-*"))
    )
    if own:
        raise BadInput(
            f"{target} was in training: that is no external validation. flame evaluate shows how "
            "well a run holds on its own hospitals"
        )
