"""What a configuration has to be like; a section's rules, each with what to do about it."""

from typing import TYPE_CHECKING

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.federation.compression import BITS
from flame.federation.gossip.method import GOSSIP, PER_SITE
from flame.federation.sections import ENDPOINTS, ENGINES, PRIVACY_LEVELS, WATCHED
from flame.models.response.inputs import MISSING, MODEL_KINDS

if TYPE_CHECKING:
    from flame.federation.config import TrainConfig

TASK_NAMES = ("response", "survival", "segmentation", "evolution", "statistics")
LEARNERS = (*TASK_NAMES, "logistic")
Rules = list[tuple[object, str]]


def check(config: "TrainConfig") -> None:
    """BadInput with the first rule that does not hold."""
    for section in (_data, _task, _training, _federation, _peers, _privacy, _model, _images):
        for holds, message in section(config):
            if not holds:
                raise BadInput(message)


def _data(config: "TrainConfig") -> Rules:
    data = config.data
    return [
        (bool(data.bids) != bool(data.table), "set exactly one of data.bids and data.table"),
        (data.endpoint in ENDPOINTS, f"data.endpoint: one of {', '.join(ENDPOINTS)}"),
        (
            data.bids or data.endpoint == ENDPOINTS[0],
            "data.endpoint is for images: name the columns of a table in data.survival",
        ),
        (len(data.survival) in (0, 2), "data.survival: two columns, days and status"),
        (not (data.bids and data.survival), "data.survival is for tables: see participants"),
        (
            not (data.table and data.horizon_days and not data.survival),
            "data.horizon_days of a table needs data.survival",
        ),
        (set(data.impute) <= set(config.features()), "data.impute names an unused feature"),
    ]


def _task(config: "TrainConfig") -> Rules:
    regression, model = config.regression, config.model
    return [
        (config.task in TASK_NAMES, f"task: one of {', '.join(TASK_NAMES)}"),
        (config.is_tabular or config.data.bids, f"task {config.task} needs images: set data.bids"),
        (
            not set(config.features())
            & {*config.data.survival, "survival_days", "died", "response"},
            "model.clinical or baselines hold an outcome: it would be known to the model",
        ),
        (all(config.baselines.values()), "baselines: each needs a feature"),
        (
            regression.penalizer is None or regression.penalizer >= 0,
            "regression.penalizer: 0 or more, or not given",
        ),
        (regression.inner_folds >= 2, "regression.inner_folds: 2 or more"),
        (
            not config.is_regression
            or ((model.clinical or model.treatment) and not model.sequences),
            "a regression: set model.clinical or treatment, and no model.sequences",
        ),
        (
            config.evaluation.margin is None or config.evaluation.margin > 0,
            "evaluation.margin: above 0, or not given",
        ),
    ]


def _training(config: "TrainConfig") -> Rules:
    training = config.training
    return [
        (training.rounds >= 1 and training.epochs >= 1, "training.rounds and epochs: 1 or more"),
        (training.folds >= 2, "training.folds: 2 or more"),
        (training.batch_size >= 0, "training.batch_size: 0 (all) or more"),
        (training.learning_rate > 0, "training.learning_rate: above 0"),
        (
            len(set(training.seeds)) == len(training.seeds) > 0 and min(training.seeds) >= 0,
            "training.seeds: at least one, each once, 0 or more",
        ),
        (
            training.validation == 0
            or (training.validation >= 2 and config.learner in ("response", "segmentation")),
            "training.validation: 2 or more (0: nobody is kept apart), on tasks response (of a "
            "network) and segmentation",
        ),
        (training.watch in WATCHED, f"training.watch: one of {', '.join(WATCHED)}"),
        (
            training.patience >= 0 and (training.validation or not training.patience),
            "training.patience: 0 or more, and needs training.validation",
        ),
    ]


def _federation(config: "TrainConfig") -> Rules:
    federation, sums = config.federation, config.is_regression
    return [
        (federation.engine in ENGINES, f"federation.engine: one of {', '.join(ENGINES)}"),
        (
            min(federation.timeout_s, federation.silence_s) > 0,
            "federation.timeout_s and silence_s: above 0",
        ),
        (federation.min_sites >= 0, "federation.min_sites: 0 (all) or more"),
        (
            not (federation.compare and sums),
            "federation.compare: a regression from sums has no strategy",
        ),
        (
            federation.strategy not in federation.compare,
            "federation.compare: the strategy itself is there already",
        ),
        (
            not federation.secure or not (sums or config.training.personalised),
            "federation.secure hides weights of rounds: not for regressions, and not with "
            "training.personalised",
        ),
        (federation.bits in BITS, f"federation.bits: one of {', '.join(map(str, BITS))}"),
        (
            federation.bits == max(BITS) or not (sums or federation.secure),
            "federation.bits below 32 rounds weights of rounds: not for regressions, nor with "
            "federation.secure, whose sums are exact",
        ),
    ]


def _peers(config: "TrainConfig") -> Rules:
    federation, training = config.federation, config.training
    if GOSSIP not in (federation.strategy, *federation.compare):
        return []
    plain = not federation.secure and federation.bits == max(BITS)
    return [
        (config.learner == "response", "strategy gossip: on task response, by a network"),
        (
            plain and not training.validation and not config.privacy.is_private,
            "strategy gossip: not with federation.secure or bits, training.validation or "
            "privacy.level",
        ),
        (
            federation.engine != "flare" or config.gossip.method in PER_SITE,
            f"gossip.method on FLARE: one of {', '.join(PER_SITE)}; others run in process",
        ),
        (not federation.min_sites, "federation.min_sites: not with strategy gossip"),
        (config.gossip.topology != "places", "gossip.topology = 'places' is for flame stream"),
    ]


def _privacy(config: "TrainConfig") -> Rules:
    privacy, model = config.privacy, config.model
    open_ = not privacy.is_private
    return [
        (
            min(privacy.least_patients, privacy.least_count) >= 1,
            "privacy.least_patients and least_count: 1 or more",
        ),
        (
            config.regression.stratified or privacy.least_patients == 1,
            "regression.stratified = false sends sums at each death, which are those of single "
            "patients: not with privacy.least_patients above 1",
        ),
        (privacy.level in PRIVACY_LEVELS, f"privacy.level: one of {', '.join(PRIVACY_LEVELS)}"),
        (
            min(privacy.clip, privacy.noise) > 0 and 0 < privacy.delta < 1,
            "privacy.clip and noise: above 0; delta: between 0 and 1",
        ),
        (
            open_ or (config.learner == "response" and not config.training.validation),
            "privacy.level is for task response by a network, without training.validation",
        ),
        (
            open_ or not config.data.person_column,
            "privacy.level protects rows: a person may have one only, so no data.person_column",
        ),
        (open_ or model.missing == MISSING[0], "privacy.level: with model.missing = 'mean' only"),
        (
            open_ or all(len(privacy.bounds.get(n, ())) == 2 for n in model.clinical),
            "privacy.bounds: the lowest and highest value of every feature of model.clinical",
        ),
    ]


def _model(config: "TrainConfig") -> Rules:
    model, data = config.model, config.data
    unknown = [n for n in model.sequences if n not in list(Sequence)]
    return [
        (model.kind in MODEL_KINDS, f"model.kind: one of {', '.join(MODEL_KINDS)}"),
        (model.missing in MISSING, f"model.missing: one of {', '.join(MISSING)}"),
        (len(set(model.clinical)) == len(model.clinical), "model.clinical: each name once"),
        (
            bool(model.sequences) or not model.encoder,
            "model.encoder reads images: name model.sequences",
        ),
        (not unknown, f"model.sequences: {unknown} not among {', '.join(Sequence)}"),
        (model.filters >= 4 and model.filters % 4 == 0, "model.filters: a multiple of 4"),
        (model.hidden >= 0 and model.l2 >= 0, "model.hidden and l2: 0 or more"),
        (model.voxel_mm > 0, "model.voxel_mm: above 0"),
        (not (data.table and model.sequences), "a table has no images: no model.sequences"),
        (not (data.table and model.treatment), "a table has no plans: no model.treatment"),
    ]


def _images(config: "TrainConfig") -> Rules:
    evolution, segmentation = config.evolution, config.segmentation
    return [
        (
            evolution.calibration >= 2 and evolution.latest_day > 0,
            "evolution.calibration: 2 or more; latest_day: above 0",
        ),
        (
            min(evolution.steps, evolution.batch_size) >= 1 and _wide(evolution.filters),
            "evolution.steps and batch_size: 1 or more; filters: 4 or a multiple of 8",
        ),
        (
            segmentation.batch_size >= 1 and _wide(segmentation.filters),
            "segmentation.batch_size: 1 or more; filters: 4 or a multiple of 8",
        ),
        (
            segmentation.patch % 8 == 0 and min(segmentation.patch, segmentation.steps) > 0,
            "segmentation.patch: a multiple of 8 voxels; steps: 1 or more",
        ),
        (
            segmentation.voxel_mm > 0 and segmentation.learning_rate > 0,
            "segmentation.voxel_mm and learning_rate: above 0",
        ),
    ]


def _wide(filters: int) -> bool:
    return filters == 4 or (filters > 0 and filters % 8 == 0)
