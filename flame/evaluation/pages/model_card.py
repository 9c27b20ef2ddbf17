"""Model card (Mitchell 2019, doi:10.1145/3287560.3287596) of a run."""

from flame.core.version import __version__
from flame.evaluation.metrics.generalisation import at_centre
from flame.evaluation.metrics.metric import METRICS
from flame.evaluation.pages.report import models_of
from flame.evaluation.pages.sections import Evaluation, headings


def model_card(evaluation: Evaluation) -> str:
    """Write the model card of a run; the owners of the model complete its intended use.

    Args:
        evaluation: content of the report.

    Returns:
        The model card as Markdown.
    """
    task = evaluation.task
    report = evaluation.report
    texts = task.texts()
    kind = "simulated patients" if report.simulated else "real patients"
    columns = headings(evaluation.counts[0])
    patients = _table(columns, [[str(v) for v in row.values()] for row in evaluation.counts])
    models = models_of(report, report.metric)
    figures = []
    for centre in report.centres:
        scores = at_centre(report, report.metric, centre)
        cells = (
            f"{s.value:.2f} ({s.low:.2f} to {s.high:.2f})" if s and not s.reason else "n/a"
            for s in map(scores.get, models)
        )
        figures.append([centre, *cells])
    return f"""# Model card: {task.title}

- **Model**: {texts.training}; trained with FLAME {__version__}.
- **Input**: {texts.predictors}. Missing values: {texts.missing}.
- **Output**: {texts.output}. Outcome: {texts.outcome}.
- **Use**: research only. Not a medical device; not for decisions about patients.
- **Out of scope**: patients unlike those below.
- **Intended users and responsible persons**: *to be completed by the owners of the model*.

## Training and test patients ({kind})

{patients}

## Performance: {METRICS[report.metric].title} at each hospital (95 % interval)

{_table(["hospital", *models], figures)}

All further results are in `report.html`.

## Limitations

{"".join(f"- {text}{chr(10)}" for text in [*evaluation.warnings, *evaluation.limits])}"""


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
