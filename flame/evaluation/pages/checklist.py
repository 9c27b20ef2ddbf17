"""TRIPOD+AI and CLAIM checklists, completed as far as a run documents the items.

Items follow TRIPOD+AI (Collins 2024, doi:10.1136/bmj-2023-078378) and CLAIM 2024 (Tejani
2024, doi:10.1148/ryai.240300).
"""

from typing import Any

from flame.core.scores import GeneralisationReport
from flame.core.version import __version__
from flame.evaluation.metrics.metric import METRICS
from flame.evaluation.pages.sample_size import sample_size_text
from flame.evaluation.pages.sections import Section
from flame.federation.config import TrainConfig
from flame.federation.task import Row, Task
from flame.models.response.inputs import TREATMENT_FEATURES

_AUTHORS = "to be completed by the authors"


def checklist(task: Task[Any], report: GeneralisationReport, counts: list[Row]) -> Section:
    """Build the section with the checklist of both guidelines.

    Args:
        task: task of the run.
        report: scores of the run.
        counts: one row for each centre, with the number of patients.

    Returns:
        A section with one row for each item: its numbers, its topic, and what the run documents.
    """
    rows = [[*item, text or _AUTHORS] for item, text in _items(task, report, counts)]
    return Section(
        "checklist",
        "Reporting checklist (TRIPOD+AI, CLAIM 2024)",
        "Completed as far as this run documents the items. Authors of a publication add the rest.",
        ["TRIPOD+AI", "CLAIM 2024", "item", "this run"],
        rows,
        folded=True,
    )


def _sample_size(config: TrainConfig, counts: list[Row], patients: int) -> str:
    """Compare the patients of a model of response with what Riley's criteria ask for."""
    if not all("responders" in row for row in counts):
        return f"{patients} patients; no sample size calculation"
    model = config.model
    parameters = len(model.clinical_columns) + len(TREATMENT_FEATURES) * model.treatment
    return sample_size_text(parameters, patients, sum(int(row["responders"]) for row in counts))


def _items(
    task: Task[Any], report: GeneralisationReport, counts: list[Row]
) -> list[tuple[tuple[str, str, str], str]]:
    config = task.config
    texts = task.texts()
    training = config.training
    measure = METRICS[report.metric]
    patients = sum(int(row["patients"]) for row in counts)
    return [
        (("1, 2", "1, 2", "Title, abstract"), ""),
        (("3, 4", "3, 4, 6", "Background, objectives, study goal, intended use"), ""),
        (("5", "5, 7", "Sources and dates of data"), ""),
        (
            ("6", "8, 10", "Participants, eligibility, treatments"),
            f"{len(counts)} hospitals; see Cohorts for numbers",
        ),
        (
            ("7", "9, 11, 13", "Preparation of data, de-identification"),
            "flame preprocess; see quality.html and the sidecar files of each hospital"
            if config.data.bids
            else "one clinical table, unchanged except for imputation",
        ),
        (("8", "14-18", "Outcome and reference standard"), texts.outcome),
        (("9", "", "Predictors"), texts.predictors),
        (("10", "21", "Sample size"), _sample_size(config, counts, patients)),
        (("11", "12", "Missing data"), texts.missing),
        (
            ("12a, 16", "19, 20, 32, 33", "Partitions"),
            f"by patient: {training.folds} folds within each hospital, and each hospital held out "
            f"in turn; {len(training.seeds)} seeds",
        ),
        (("12b-d", "22, 25, 26", "Model and its training"), texts.training),
        (("", "27", "Ensembling"), "none; one model for each seed"),
        (
            ("12e", "28, 29", "Measures"),
            f"{measure.title}, with 95 % intervals and paired "
            "differences; random effects over hospitals",
        ),
        (
            ("12f", "", "Updating of the model"),
            "personalised models" if training.personalised else "none",
        ),
        (("13", "", "Class imbalance"), "no reweighting or resampling"),
        (
            ("14, 23b", "30", "Fairness, subgroups"),
            "see Subgroups" if task.tabular else "see the results by stratum",
        ),
        (("15", "", "Output"), texts.output),
        (("17, 18", "34, 42-44", "Ethics, funding, registration, access to data and code"), ""),
        (("19", "", "Patient and public involvement"), ""),
        (("20", "35, 36", "Flow and characteristics of participants"), "see Cohorts"),
        (
            ("21, 22", "22-24", "Development and specification"),
            f"see Configuration, and models/ in the run folder; FLAME {__version__}",
        ),
        (("23a", "37, 38", "Performance"), "see Performance at each hospital"),
        (
            ("24", "", "Results of updating"),
            "see the column personalised" if training.personalised else "none",
        ),
        (("", "31", "Explanation"), "see Feature effects" if task.tabular else "none"),
        (("", "39", "Failures"), texts.failures),
        (
            ("25-27", "40, 41", "Interpretation, limitations, use"),
            "see Notes and limitations",
        ),
    ]
