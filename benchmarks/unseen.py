"""Training in process on real patients, and the AUC of a model at its held-out hospital.

Other benchmarks import it. TABLE is gbm_four_centres.csv: UCSF, UPENN and TCGA, alive at 365 days
from five clinical features.
"""

from pathlib import Path
from typing import Any

import numpy as np

from flame.evaluation.outcomes.out_of_fold import Predictor
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.in_process import in_process_call
from flame.federation.privacy.budget import Budget
from flame.federation.privacy.differential import CentrePrivacy
from flame.federation.sections import DataConfig, TrainingConfig
from flame.federation.site import Site
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training, joint_trainings
from flame.models.regression.discrimination import auc_of, score_counts
from flame.models.response.inputs import Inputs, ResponseModelConfig

CENTRES = ("UCSF", "UPENN", "TCGA")
FEATURES = ("age", "sex", "mgmt_status", "idh_status", "resection_status")


def settings(
    table: str,
    training: TrainingConfig,
    hidden: int = 0,
    **sections: Any,
) -> TrainConfig:
    """Return the configuration; ``hidden`` 0 is logistic regression by gradient steps."""
    data = DataConfig(
        table=table,
        centres=CENTRES,
        id_column="subject",
        horizon_days=365.0,
        survival=("survival_days", "survival_status"),
        impute={"resection_status": 0.5},
    )
    model = ResponseModelConfig(clinical=FEATURES, hidden=hidden, l2=0.0)
    return TrainConfig(data, model, training, **sections)


def trained(config: TrainConfig, run: Path) -> tuple[Predictor, list[Inputs]]:
    """Train all joint models of the run; return a predictor and the patients of each hospital."""
    task: Any = open_task(config)
    inputs = [task.patients(load_cohort(config, name)) for name in CENTRES]
    sites = {each.centre: Site(task, [each], privacy=_protection(config)) for each in inputs}
    plan = joint_trainings(FEDERATED, CENTRES, config.training.seeds, config.training.folds)
    Coordinator(config, task, run, plan).run(in_process_call(sites), lambda f: f.centres)
    return Predictor(config, run, inputs), inputs


def without(training: TrainingConfig, centre: str) -> Training:
    """Return the training of the first seed that leaves out a hospital."""
    others = tuple(c for c in CENTRES if c != centre)
    return Training(FEDERATED, others, training.seeds[0], training.folds, left_out=centre)


def auc_unseen(predictor: Predictor, tested: Inputs) -> float:
    """Return the AUC at a hospital of the model trained without it, of the first seed."""
    known = tested.take(tested.labelled)
    predicted = predictor.of(without(predictor.config.training, tested.centre), known)
    return float(auc_of([score_counts(predicted, known.response.astype(float))])[0])


def _protection(config: TrainConfig) -> CentrePrivacy | None:
    if not config.privacy.is_private:
        return None
    secret = np.random.default_rng(config.training.seeds[0]).bytes(32)
    return CentrePrivacy(config, Budget(None, np.inf, config.privacy.delta), secret)
