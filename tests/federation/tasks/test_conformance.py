"""What every task promises, and that federated sums are exactly the pooled ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flame.core.cohort import Cohort
from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.in_process import in_process_call
from flame.federation.packed_model import packed
from flame.federation.sections import DataConfig, PrivacyConfig, ValidationConfig
from flame.federation.site import Site
from flame.federation.task import Query, Task
from flame.federation.tasks.cohort_summary import summarise_cohorts
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.confounding import confounding, cramers_v
from flame.federation.tasks.registry import TASKS, open_task
from flame.federation.tasks.segmentation import taught
from flame.federation.trainings import FEDERATED, POOLED, Training
from flame.models.evolution.config import EvolutionConfig
from flame.models.segmentation.case_table import Cases
from flame.models.segmentation.cases import SegmentationCase
from flame.models.segmentation.config import SegmentationConfig
from flame.models.segmentation.segmentation import mask_of
from tests.helpers.tumours import tumour_case

IMAGES = TrainConfig(
    DataConfig(bids="nowhere"),
    evolution=EvolutionConfig("hybrid", steps=4, batch_size=2, filters=4, calibration=2),
    segmentation=SegmentationConfig(patch=16, filters=4, steps=4),
)
IMAGES = replace(IMAGES, training=replace(IMAGES.training, rounds=2, folds=2))
CARBON = Treatment((Phase(Radiation.CARBON, 60.0, 30, biological=True),))


def evolution_cases(centre: str) -> Cases:
    names = tuple(f"{centre}{n}" for n in range(4))
    cases = tuple(
        (
            tumour_case(
                name,
                12.0 + n + 2 * (centre == "b"),
                centre=centre,
                methylated=float(n % 2),
                **({"treatment": CARBON} if n == 3 else {}),
            ),
        )
        for n, name in enumerate(names)
    )
    return Cases(centre, names, cases)


def segmentation_cases(centre: str) -> Cases:
    rng = np.random.default_rng(len(centre))
    found = []
    for _ in range(4):
        regions = np.full((20, 20, 20, 3), -1, np.float32)
        regions[..., 1] = 0
        regions[6:14, 6:14, 6:14, 1] = 1
        images = rng.normal(size=(20, 20, 20, 4)).astype(np.float32)
        found.append((SegmentationCase(images + regions[..., 1:2], regions),))
    return Cases(centre, tuple(f"{centre}{n}" for n in range(4)), tuple(found))


MODEL = {"count": np.full(2, 40.0), "mean": np.zeros(2), "sum_sq_dev": np.full(2, 40.0)}
MODEL |= {"beta": np.array([0.1, 1.0, -1.0])}


Made = tuple[TrainConfig, Task, dict[str, Any]]


@pytest.fixture(params=[*TASKS, "logistic"])
def made(request: pytest.FixtureRequest, toy: TrainConfig) -> Made:
    """A small configuration, its task, and the patients of centres a and b."""
    if request.param in ("response", "logistic", "survival", "statistics", "progression-type"):
        config = replace(toy, training=replace(toy.training, rounds=2))
        kind = "logistic" if request.param == "logistic" else "network"
        task = "response" if request.param == "logistic" else request.param
        privacy = PrivacyConfig(least_count=1)
        config = replace(config, task=task, model=replace(toy.model, kind=kind), privacy=privacy)
        task = open_task(config)
        return config, task, {c: task.patients(load_cohort(config, c)) for c in "ab"}
    if request.param == "validation":
        model = packed(replace(toy, model=replace(toy.model, kind="logistic")), (([], MODEL),))
        config = replace(toy, task="validation", validation=ValidationConfig(model))
        task = open_task(config)
        return config, task, {c: task.patients(load_cohort(config, c)) for c in "ab"}
    config = replace(IMAGES, task=request.param)
    make = evolution_cases if request.param == "evolution" else segmentation_cases
    return config, open_task(config), {c: make(c) for c in "ab"}


def trained(made: Made, run: Path, kind: str, who: tuple[str, ...]) -> Any:
    config, task, patients = made
    sites = {c: Site(task, [p]) for c, p in patients.items()}
    sites[POOLED] = Site(task, list(patients.values()))
    federation = Training(kind, ("a", "b"), 0, 2)
    Coordinator(config, task, run, [federation]).run(in_process_call(sites), lambda f: who)
    return finished(run, federation.name)


def test_same_seed_same_weights_and_resumes(made: Made, tmp_path: Path) -> None:
    first = trained(made, tmp_path / "one", FEDERATED, ("a", "b"))
    again = trained(made, tmp_path / "two", FEDERATED, ("a", "b"))
    for a, b in zip(first.state.weights, again.state.weights, strict=True):
        assert np.array_equal(a, b)
    assert first.round == made[1].rounds
    assert len(first.history) == 2 * first.round


def test_what_is_shared_is_what_pooled_patients_give(made: Made, tmp_path: Path) -> None:
    federated = trained(made, tmp_path, FEDERATED, ("a", "b")).shared
    pooled = trained(made, tmp_path, POOLED, (POOLED,)).shared
    assert federated.keys() == pooled.keys()
    for name in federated:
        if name != "calibration":  # of other weights
            assert np.allclose(federated[name], pooled[name], atol=1e-9), name


def test_replies_have_the_same_shape_at_every_site(made: Made) -> None:
    """No axis of a reply is one of patients, so none of them leaves its site."""
    _, task, patients = made
    shapes = []
    for rows in (np.arange(2), np.arange(4)):
        site = Site(task, [patients["a"].take(rows)])
        seen: list[Any] = []

        def send(
            query: str,
            parameters: dict,
            weights: Any = (),
            shared: Any = None,
            calibrating: bool = False,
            site: Site = site,
            seen: list = seen,
        ) -> list[dict]:
            who = {"seed": 0, "folds": 2, "fold": -1, "centres": ["a"]}
            found = site.reply(query, parameters, weights, shared or {}, calibrating, who)
            seen.append({k: np.shape(v) for k, v in found.items()})
            return [found]

        task.prepare(send, {})
        shapes.append(seen[:1])
    assert shapes[0] == shapes[1]


def test_an_unknown_query_is_refused(made: Made) -> None:
    _, task, patients = made
    with pytest.raises(BadInput, match="does not reply to"):
        task.reply([patients["a"]], Query("everything"))


def test_a_centre_without_images_says_what_to_add() -> None:
    for name, message in (("segmentation", "no drawn tumour"), ("evolution", "no patient to")):
        task = open_task(replace(IMAGES, task=name))
        with pytest.raises(BadInput, match=message):
            task.patients(Cohort("c", (), False))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task": "growth"},
            "unknown task 'growth'",
        ),
        ({"data": DataConfig(table="t")}, "task evolution needs images"),
        (
            {"evolution": EvolutionConfig("Gompertz")},
            "evolution.model: one of surface, mechanistic",
        ),
    ],
)
def test_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        open_task(replace(IMAGES, **{"task": "evolution", **changes}))


def test_sections_check_themselves() -> None:
    with pytest.raises(BadInput, match="calibration must be 2 or more, not 1"):
        EvolutionConfig(calibration=1)
    with pytest.raises(BadInput, match="patch must be a multiple of 8, not 20"):
        SegmentationConfig(patch=20)


def test_confounding_by_hand() -> None:
    # chi2 = n for a perfect 2 x 2 association, 0 for none (Cramér 1946).
    assert cramers_v(np.array([[5, 0], [0, 5]])) == pytest.approx(1)
    assert cramers_v(np.array([[5, 5], [3, 3]])) == pytest.approx(0)
    (warning,) = confounding(np.array([[5.0, 0, 0], [0, 5, 0]]))
    assert "confounded" in warning
    assert not confounding(np.array([[5.0, 5, 5], [4, 4, 4]]))
    (warning,) = confounding(np.array([[5.0, 0, 0], [4, 0, 0]]))
    assert "one radiation" in warning


def test_what_is_said_of_a_run_names_nobody() -> None:
    config = replace(IMAGES, task="evolution")
    cases = evolution_cases("a")
    cases = replace(cases, left_out=("no tumour mask before radiotherapy",) * 2)
    rows, warnings = summarise_cohorts(open_task(config), [Cohort("a", (), False)], [cases])
    assert rows == [
        {"centre": "a", "patients": 4, "left out": 2, "photon": 3, "proton": 0, "carbon": 1}
    ]
    assert "centre a: 2 patients left out: no tumour mask before radiotherapy" in warnings
    assert any("2 patients calibrate" in w for w in warnings)
    few = cases.take(np.arange(2))
    with pytest.raises(BadInput, match="fewer than 2 are left to train and to calibrate"):
        summarise_cohorts(open_task(config), [Cohort("a", (), False)], [few])


def test_only_taught_regions_are_predicted(tmp_path: Path) -> None:
    config = replace(IMAGES, task="segmentation")
    made = (config, open_task(config), {c: segmentation_cases(c) for c in "ab"})
    checkpoint = trained(made, tmp_path, FEDERATED, ("a", "b"))
    assert checkpoint.shared["cases"].tolist() == [0, 8, 0]
    assert taught(checkpoint.shared) == ("core",)
    case = made[2]["a"].flat[0]
    task: Any = made[1]
    masks = task.model.masks(checkpoint.state.weights, case.images, ("core",))
    assert list(masks) == ["core"]
    core = mask_of(task.model.probability(checkpoint.state.weights, case.images)[..., 1], 0.008)
    assert np.array_equal(masks["core"], core)  # no other channel cuts it
