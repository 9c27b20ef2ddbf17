"""TRIPOD+AI and CLAIM checklists, filled with what a run documents; authors write the rest.

Items follow TRIPOD+AI (Collins 2024, doi:10.1136/bmj-2023-078378) and CLAIM (Mongan 2020,
doi:10.1148/ryai.2020200029).
"""

from typing import Any

from flame.core.scores import GeneralisationReport
from flame.core.version import __version__
from flame.evaluation.metrics.metric import METRICS
from flame.evaluation.pages.sections import Section
from flame.federation.task import Row, Task

_AUTHORS = "for the authors"


def checklist(task: Task[Any], report: GeneralisationReport, counts: list[Row]) -> Section:
    """Return the checklist section: items of both guidelines, topic, and what the run states.

    Args:
        task: task of the run.
        report: scores of the run.
        counts: one row for each centre, with the number of patients.
    """
    rows = [[*item, text or _AUTHORS] for item, text in _items(task, report, counts)]
    return Section(
        "checklist",
        "Reporting checklist (TRIPOD+AI, CLAIM)",
        "What this run answers by itself; the rest is for those who publish it.",
        ["TRIPOD+AI", "CLAIM", "item", "this run"],
        rows,
        folded=True,
    )


def _items(
    task: Task[Any], report: GeneralisationReport, counts: list[Row]
) -> list[tuple[tuple[str, str, str], str]]:
    config, texts = task.config, task.texts()
    training, measure = config.training, METRICS[report.metric]
    patients = sum(int(row["patients"]) for row in counts)
    return [
        (("1, 2", "1, 2", "Title, abstract"), ""),
        (("3, 4", "3, 4", "Background, objectives, intended use"), ""),
        (("5", "5, 7", "Sources and dates of data"), ""),
        (
            ("6", "8, 10", "Participants, eligibility, treatments"),
            f"{len(counts)} centres; see Cohorts for numbers",
        ),
        (
            ("7", "9, 12", "Preparation of data, de-identification"),
            "flame preprocess; quality.html and sidecars of each centre"
            if config.data.bids
            else "one table; nothing was changed but what 'impute' says",
        ),
        (("8", "11, 14-18", "Outcome and reference standard"), texts.outcome),
        (("9", "11", "Predictors"), texts.predictors),
        (("10", "19", "Sample size"), f"{patients} patients; no calculation was made"),
        (("11", "13", "Missing data"), texts.missing),
        (
            ("12a, 16", "20, 21, 32", "Partitions"),
            f"{training.folds} folds within each centre and every centre left out in turn, by "
            f"patient; {len(training.seeds)} seeds",
        ),
        (("12b-d", "22, 25, 26", "Model and its training"), texts.training),
        (
            ("12e", "28, 29", "Measures"),
            f"{measure.title}, with 95 % intervals and paired "
            "differences; random effects over centres",
        ),
        (
            ("12f", "", "Updating of the model"),
            "personalised models" if training.personalised else "none",
        ),
        (("13", "", "Class imbalance"), "nothing was done about it"),
        (
            ("14, 23b", "30", "Fairness, subgroups"),
            "see Subgroups" if task.tabular else "see the figures by stratum",
        ),
        (("15", "", "Output"), texts.output),
        (("17, 18", "40-42", "Ethics, funding, registration, access to data and code"), ""),
        (("19", "", "Patient and public involvement"), ""),
        (("20", "33, 34", "Flow and characteristics of participants"), "see Cohorts"),
        (
            ("21, 22", "22-24", "Development and specification"),
            f"the Configuration below, and models/ of the run folder; FLAME {__version__}",
        ),
        (("23a", "35, 36", "Performance"), "see Does it hold at each hospital?"),
        (
            ("24", "", "Results of updating"),
            "the column personalised" if training.personalised else "none",
        ),
        (("", "31", "Explanation"), "see What the model looks at" if task.tabular else "none"),
        (("", "37", "Failures"), texts.failures),
        (("25-27", "38, 39", "Interpretation, limitations, use"), "limits: see How to read this"),
    ]
