"""TRIPOD+AI and CLAIM: what the run itself can answer, and what its authors must write.

Items after TRIPOD+AI (Collins 2024, doi:10.1136/bmj-2023-078378) and CLAIM (Mongan 2020,
doi:10.1148/ryai.2020200029).
"""

from flame import __version__
from flame.core.scores import GeneralisationReport
from flame.evaluation.metrics.metric_specs import MEASURES
from flame.evaluation.pages.page import Section
from flame.federation.config import TrainConfig
from flame.federation.tasks.cohort_summary import Row

_AUTHORS = "for the authors"


def checklist(config: TrainConfig, report: GeneralisationReport, counts: list[Row]) -> Section:
    """A table of items: TRIPOD+AI, CLAIM, what it is about, what this run says."""
    rows = [[*item, text or _AUTHORS] for item, text in _items(config, report, counts)]
    return Section(
        "checklist",
        "Reporting checklist (TRIPOD+AI, CLAIM)",
        "What this run answers by itself; the rest is for those who publish it.",
        ["TRIPOD+AI", "CLAIM", "item", "this run"],
        rows,
        folded=True,
    )


def _items(
    config: TrainConfig, report: GeneralisationReport, counts: list[Row]
) -> list[tuple[tuple[str, str, str], str]]:
    training, measure = config.training, MEASURES[report.metric]
    patients = sum(int(row["patients"]) for row in counts)
    imaging = bool(config.model.sequences) or config.task in ("segmentation", "evolution")
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
        (("8", "11, 14-18", "Outcome and reference standard"), outcome_text(config)),
        (("9", "11", "Predictors"), predictor_text(config)),
        (("10", "19", "Sample size"), f"{patients} patients; no calculation was made"),
        (("11", "13", "Missing data"), missing_text(config)),
        (
            ("12a, 16", "20, 21, 32", "Partitions"),
            f"{training.folds} folds within each centre and every centre left out in turn, by "
            f"patient; {len(training.seeds)} seeds",
        ),
        (("12b-d", "22, 25, 26", "Model and its training"), training_text(config)),
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
            "see Subgroups" if config.is_tabular else "see the figures by stratum",
        ),
        (("15", "", "Output"), output_text(config)),
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
        (("", "31", "Explanation"), "see What the model looks at" if config.is_tabular else "none"),
        (("", "37", "Failures"), "patient by patient" if imaging and not config.is_tabular else ""),
        (("25-27", "38, 39", "Interpretation, limitations, use"), "limits: see How to read this"),
    ]


def outcome_text(config: TrainConfig) -> str:
    """What is predicted, in a sentence."""
    days, free = config.data.horizon_days, config.data.endpoint == "progression-free"
    if config.task == "response":
        state = "alive without progression" if free else "alive"
        return f"{state} at {days:g} days" if days else "the column 'response'"
    event = "progression (flame assess) or death" if free else "death"
    return {
        "survival": f"time to {event}; a missing status counts as a death",
        "segmentation": "regions drawn by readers",
        "evolution": "gross tumour volume drawn on later days",
    }[config.task]


def predictor_text(config: TrainConfig) -> str:
    """What the model sees, in a sentence."""
    if config.task in ("segmentation", "evolution"):
        return "T1, T1C, T2 and FLAIR" + (", mask and plan" if config.task == "evolution" else "")
    model = config.model
    parts = [
        *model.sequences,
        *(f"{len(model.clinical)} clinical features",) * bool(model.clinical),
    ]
    return ", ".join(parts + ["radiotherapy"] * model.treatment)


def missing_text(config: TrainConfig) -> str:
    """What becomes of missing values."""
    if not config.is_tabular:
        return "days without what is needed are left out and counted"
    own = ", and a column says that they are missing" if config.model.missing == "indicator" else ""
    return f"values are put at the mean of the training patients of all centres{own}"


def training_text(config: TrainConfig) -> str:
    """How the model was trained."""
    if config.is_regression:
        penalizer = config.regression.penalizer
        chosen = (
            "chosen by cross-validation within the training patients"
            if penalizer is None
            else f"{penalizer:g}"
        )
        return f"regression by Newton's method from sums of the centres; penalty {chosen}"
    return f"network, {config.training.rounds} rounds of {config.federation.strategy}"


def output_text(config: TrainConfig) -> str:
    """What the model gives."""
    return {
        "response": "a probability",
        "survival": "a log risk",
        "segmentation": "masks",
        "evolution": "probability of tumour by voxel, volume with a 90 % band",
    }[config.task]
