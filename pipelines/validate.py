"""``flame validate``: external validation of a model on patients with known outcomes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from flame.bundles.cohorts import read_cohorts
from flame.bundles.model import Model, open_model
from flame.core.errors import BadInput
from flame.core.files import atomic_path, check_free, content_hash, write_text
from flame.core.progress import Progress, silent
from flame.federation.run_folder import RunFolder
from flame.federation.tasks.cohort_summary import left_out_by_rule
from flame.federation.tasks.tabular import unknown_status
from flame.federation.trainings import FEDERATED, Training

if TYPE_CHECKING:
    from flame.bundles.validation import Cohorts

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

    check_free(out, PAGE)
    opened = open_model(model).configured(overrides)
    if not opened.task.outcome:
        raise BadInput(f"{model} predicts no outcome; give a model on response or survival")
    _check_unseen(opened, model, target)
    others = [open_model(path).configured(overrides) for path in compare]
    read = [(m, read_cohorts(m, target, with_outcome=True)) for m in (opened, *others)]
    progress(1, 4)
    cohorts = validation.with_references(validation.gather(opened, read[0][1], read[1:]))
    warnings = [*unknown_status(read[0][1]), *left_out_by_rule(read[0][1])]
    assert cohorts.tables is not None
    left_out = int(cohorts.tables["note"].fillna("").str.len().gt(0).sum())
    if left_out:
        warnings.append(f"{left_out} patients have notes; see predictions.csv")
    write_text(out / "predictions.csv", cohorts.tables.to_csv(index=False, na_rep="nan"), True)
    return _written(cohorts, out, warnings, progress)


def run_in_federation(
    model: Path,
    kit: Path,
    out: Path,
    show: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
) -> ValidateResult:
    """Validate a model at the hospitals of a federation, which send groups of patients only.

    Args:
        model: a bundle of ``flame export``, or a run folder.
        kit: start-up kit of the admin.
        out: new folder, or one of the same validation, which continues.
        show: called with the progress, see ``AdminSession.run``.
        say: called with each line of output.

    Returns:
        The figures, the verdict, warnings, and the path of the page.

    Raises:
        BadInput: the model, the kit or ``out`` cannot be used.
        FlameError: the run failed, or sites are missing.
    """
    from flame.bundles.federated_validation import gathered, run_config
    from flame.bundles.validation import with_references
    from flame.federation.flare.admin import AdminSession, Submission
    from flame.federation.flare.kit import ADMIN, check_kit

    opened = open_model(model)
    if not opened.task.outcome:
        raise BadInput(f"{model} predicts no outcome; give a model on response or survival")
    admin = AdminSession(check_kit(kit, ADMIN), 600.0)
    sites = admin.sites()
    if not sites:
        raise BadInput("no hospital is connected; start flame join at each, then try again")
    config = run_config(opened, sites, "flare")
    folder = RunFolder(out / "run")
    submission = Submission.of_training(config, folder.claim_name(config))
    admin.run(submission, folder.path, show, say)
    shared = folder.model(Training(FEDERATED, config.data.centres, 0, 2)).shared
    cohorts = with_references(gathered(opened, shared, opened.simulated is True))
    note = (
        "Hospitals sent groups of patients: the mean prediction of neighbours with the same "
        "outcome. Figures differ slightly from those of single patients, and subgroups are unknown."
    )
    return _written(cohorts, out, [note], silent)


def _written(
    cohorts: "Cohorts", out: Path, warnings: list[str], progress: Progress
) -> ValidateResult:
    """Compute and write all figures."""
    from flame.bundles import validation_tables
    from flame.bundles.validation_figures import figures
    from flame.bundles.validation_page import latex, render, verdict
    from flame.evaluation.pages.figures import to_svg

    metrics = validation_tables.metrics(cohorts)
    progress(2, 4)
    tables = {
        "metrics": metrics,
        "differences": validation_tables.differences(cohorts),
        "subgroups": validation_tables.subgroups(cohorts),
    }
    progress(3, 4)
    drawn = figures(cohorts)
    for name, table in tables.items():
        write_text(out / f"{name}.csv", table.to_csv(index=False, na_rep="nan"))
    write_text(out / "metrics.tex", latex(metrics))
    for name, (_, figure) in drawn.items():
        write_text(out / "figures" / f"{name}.svg", to_svg(figure, name))
        with atomic_path(out / "figures" / f"{name}.pdf") as temporary:
            figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
    html = render(cohorts, metrics, tables["differences"], tables["subgroups"], drawn, warnings)
    write_text(out / PAGE, html)
    progress(4, 4)
    return ValidateResult(metrics, verdict(cohorts, metrics), tuple(warnings), out / PAGE)


def _check_unseen(opened: Model, model: Path, target: Path) -> None:
    """Refuse a table or patients that the run was trained on.

    Raises:
        BadInput: the model would be tested on its own patients.
    """
    if not opened.sources:
        return
    if target.is_dir():
        own = any(path.name in opened.sources for path in target.glob("sub-*"))
    else:
        own = content_hash([target]) in RunFolder(model).hashes()
    if own:
        raise BadInput(
            f"{target} was in training: that is no external validation. flame evaluate shows how "
            "well a run holds on its own hospitals"
        )
