"""Model card (Mitchell 2019, doi:10.1145/3287560.3287596) filled from a run."""

from flame.core.version import __version__
from flame.evaluation.metrics.generalisation import at_centre
from flame.evaluation.metrics.metric import METRICS
from flame.evaluation.pages.report import models_of
from flame.evaluation.pages.sections import Evaluation


def model_card(evaluation: Evaluation) -> str:
    """Return the model card as Markdown; the owners of the model fill in its intended use.

    Args:
        evaluation: content of the report.
    """
    task, report = evaluation.task, evaluation.report
    texts = task.texts()
    kind = "simulated patients" if report.simulated else "real patients"
    columns = list(evaluation.counts[0])
    people = _table(columns, [[str(v) for v in row.values()] for row in evaluation.counts])
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

- **Made by** FLAME {__version__}, {texts.training}.
- **Sees** {texts.predictors}. Missing: {texts.missing}.
- **Gives** {texts.output} of: {texts.outcome}.
- **For** research. Not a medical device; no decision about a patient may rest on it.
- **Not for** patients unlike those below. Whom it is meant for, and who answers for it: *to be
  filled in by its owners*.

## Patients it was trained and tested on ({kind})

{people}

## How it holds: {METRICS[report.metric].title} at each centre (95 % interval)

{_table(["centre", *models], figures)}

`report.html` has the rest: calibration, subgroups, what the model looks at.

## Limits

{"".join(f"- {text}{chr(10)}" for text in [*evaluation.warnings, *evaluation.limits])}"""


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
