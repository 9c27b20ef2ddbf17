"""The index page of a demonstration: what each step made, and what to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flame.core.scores import GeneralisationReport
from flame.evaluation.metrics.generalisation import UNSEEN, at_centre
from flame.evaluation.pages.page import filled
from flame.evaluation.pages.sections import Cell, Section, figure_cell
from flame.evaluation.pages.summary import in_words
from flame.federation.trainings import FEDERATED, LOCAL


@dataclass(frozen=True)
class Step:
    """One step of a demonstration.

    Args:
        id: HTML id.
        title: heading.
        look: what to look at, in one or two sentences.
        pages: paths of the pages that it made, by the text of the link.
        columns: headings of its table.
        rows: cells of its table.
    """

    id: str
    title: str
    look: str
    pages: dict[str, Path]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str | Cell]] = ()


def render(
    out: Path,
    title: str,
    steps: list[Step],
    verdict: str,
    simulated: bool,
    limits: list[str],
    config: object,
) -> str:
    """Render the page.

    Args:
        out: folder of the page, to which the links are relative.
        title: title of the page.
        steps: the steps in order.
        verdict: what the demonstration shows, in words.
        simulated: whether the patients are simulated.
        limits: notes on how to read the page.
        config: configuration of the demonstration.

    Returns:
        The page as HTML.
    """
    sections = [
        Section(
            step.id,
            step.title,
            step.look,
            step.columns,
            step.rows,
            links={text: _link(path, out) for text, path in step.pages.items()},
        )
        for step in steps
    ]
    return filled(
        title, "demonstration", ("patients", simulated), [], sections, limits, config, verdict
    )


def _link(page: Path, out: Path) -> str:
    # A pipeline may answer with an absolute path where its output was given relative.
    return page.resolve().relative_to(out.resolve()).as_posix()


def scored_step(name: str, title: str, look: str, report: GeneralisationReport, page: Path) -> Step:
    """Build the step of a trained and evaluated model, with its short table.

    Args:
        name: HTML id, and what the report is on.
        title: heading.
        look: what to look at.
        report: scores of the run.
        page: its report.

    Returns:
        The step.
    """
    columns, rows = matrix(report)
    return Step(name, title, look, {f"Report on {name}": page}, columns, rows)


def matrix(report: GeneralisationReport) -> tuple[list[str], list[list[str | Cell]]]:
    """Build the short table of a response model: federated, unseen hospital, and alone.

    Args:
        report: scores of the run.

    Returns:
        Headings and rows: one row per hospital.
    """
    shown = {FEDERATED: "federated", UNSEEN: "never saw the hospital", LOCAL: "hospital alone"}
    rows: list[list[str | Cell]] = []
    for centre in report.centres:
        scores = at_centre(report, report.metric, centre)
        cells = [scores.get(model) for model in shown]
        rows.append(
            [
                centre,
                *(
                    figure_cell(s.value, s.low, s.high, s.reason) if s else Cell("", empty=True)
                    for s in cells
                ),
            ]
        )
    return ["hospital", *shown.values()], rows


def verdict(report: GeneralisationReport, overall: tuple[float, float, float]) -> str:
    """Say in words what the report says, and what the federated model tells over all patients.

    Args:
        report: scores of a run on response.
        overall: AUC of the federated model over the patients of all hospitals, and its interval.

    Returns:
        A few sentences.
    """
    value, low, high = overall
    chance = "better than chance" if low > 0.5 else "not shown to be better than chance"
    return (
        f"Early response. {in_words(report)} Over the patients of all hospitals together, "
        f"cross-validated, the federated model is {chance}: AUC {value:.2f} ({low:.2f} to "
        f"{high:.2f})."
    )
