"""A lead who writes configurations, and a server that sends calls of its own, read no patient.

Every attack here succeeds with ``least_patients = 1``, which is how replies were given before: the
tests check that first. They call the site's own object, as NVIDIA FLARE does, with a kit on disk.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import Refusal
from flame.federation.config import TrainConfig
from flame.federation.flare.site import FlareSite, _SiteResources
from flame.federation.flare.trainings import flare_plan
from flame.federation.sections import RegressionConfig
from flame.federation.trainings import Training, who

PATIENTS = 33


@pytest.fixture
def config(toy: TrainConfig) -> TrainConfig:
    """A regression on one hospital of 33 patients, with two others that are never asked."""
    rng = np.random.default_rng(1)
    x = rng.normal(60, 10, PATIENTS).round(2)
    table = pd.DataFrame(
        {
            "centre": "a",
            "patient_id": [f"p{n}" for n in range(PATIENTS)],
            "age": x,
            "volume": rng.gamma(2, 20, PATIENTS).round(3),
            "response": (x + rng.normal(0, 10, PATIENTS) > 60).astype(int),
            "survival_days": np.arange(100, 100 + 20 * PATIENTS, 20),
            "died": 1,
        }
    )
    table.to_csv(toy.data.table, index=False)
    model = replace(toy.model, clinical=("age", "volume"), kind="logistic")
    data = replace(toy.data, centres=("a", "b", "c"))
    fixed = RegressionConfig(penalizer=0.1)
    return replace(toy, model=model, data=data, regression=fixed, baselines={})


@pytest.fixture
def kit(tmp_path: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Make the resources of hospital a, with a policy."""
    monkeypatch.setenv("FLAME_DATA", str(config.data.table))

    def made(least: int) -> _SiteResources:
        folder = tmp_path / f"kit {least}"
        (folder / "local").mkdir(parents=True, exist_ok=True)
        (folder / "local" / "policy.toml").write_text(f"least_patients = {least}\n")
        return _SiteResources("a", folder, folder / "local")

    return made


def ages(table: str | None) -> set[float]:
    return set(pd.read_csv(str(table)).age)


def query(training: Training, name: str, **parameters: Any) -> dict[str, Any]:
    return {
        "query": name,
        "parameters": parameters,
        "weights": [],
        "shared": {},
        "calibrating": False,
        "who": who(training),
    }


def moments(site: FlareSite, kit: _SiteResources, training: Training) -> dict[str, Any]:
    return site._work(kit, "reply", query(training, "moments"))


def totals(kit: _SiteResources, configs: list[TrainConfig]) -> Iterator[tuple[float, float]]:
    """Count and sum of ages of every set that the runs, one after the other, reply about."""
    for config in configs:
        site = FlareSite(config.to_json())
        for training in flare_plan(config, alone=True):
            if "a" in training.centres:
                reply = moments(site, kit, training)
                if "refused" not in reply:
                    count = float(reply["count"][0])
                    yield count, count * float(reply["mean"][0])


def recovered(kit: _SiteResources, configs: list[TrainConfig]) -> set[float]:
    """Ages that a difference of two replies shows: sets that differ in one patient."""
    known = ages(configs[0].data.table)
    found = set()
    for (n, one), (m, other) in combinations(set(totals(kit, configs)), 2):
        if abs(n - m) == 1:
            found.add(round(abs(one - other), 2))
    return found & known


def seeds(config: TrainConfig, *numbers: int) -> TrainConfig:
    return replace(config, training=replace(config.training, seeds=numbers))


def folds(config: TrainConfig, number: int) -> TrainConfig:
    return replace(config, training=replace(config.training, folds=number))


def horizon(config: TrainConfig, days: int) -> TrainConfig:
    data = replace(config.data, horizon_days=days, survival=("survival_days", "died"))
    return replace(config, data=data)


@pytest.mark.parametrize(
    "attack",
    [
        lambda c: [folds(c, PATIENTS)],
        lambda c: [folds(c, 16), folds(c, 17)],
        lambda c: [seeds(folds(c, 16), *range(4))],
    ],
    ids=["a fold for each patient", "folds of several runs", "seeds"],
)
def test_no_difference_of_sums_is_one_patient(
    kit: Callable[..., _SiteResources],
    config: TrainConfig,
    attack: Callable[[TrainConfig], list[TrainConfig]],
) -> None:
    assert recovered(kit(1), attack(config))
    assert not recovered(kit(5), attack(config))


def test_every_set_of_every_run_is_made_of_the_same_groups(
    kit: Callable[..., _SiteResources], config: TrainConfig
) -> None:
    """Any linear combination of replies is one of sums over groups of five or more."""
    resources = kit(5)
    runs = [seeds(folds(config, n), 0, 7) for n in (2, 3, 6)]
    members = []
    for run in runs:
        site = resources.open_site(resources.policy.applied(run))
        for training in flare_plan(run, alone=True):
            if "a" in training.centres:
                (chosen,) = site._chosen(**who(training), calibrating=False)
                members.append(dict.fromkeys(chosen.pseudonyms, 1))
    table = pd.DataFrame(members).fillna(0).astype(int)
    together = table.T.groupby(list(table.index)).size()
    assert together.min() >= 5
    assert together.sum() == PATIENTS


def test_another_horizon_shows_nobody(
    kit: Callable[..., _SiteResources], config: TrainConfig
) -> None:
    """Patients who are censored between two horizons are known at one of them only."""
    table = pd.read_csv(str(config.data.table)).drop(columns="response")
    table["died"] = (np.arange(PATIENTS) != 11).astype(int)  # censored on day 320
    table.to_csv(str(config.data.table), index=False)
    attack = [horizon(config, 300), horizon(config, 330)]
    assert recovered(kit(1), attack) == {table.age[11]}
    assert not recovered(kit(5), attack)


def test_a_patient_who_joins_waits_for_others(
    kit: Callable[..., _SiteResources], config: TrainConfig
) -> None:
    path = str(config.data.table)
    table = pd.read_csv(path)
    for least, shown in ((1, {99.5}), (5, set())):
        table.to_csv(path, index=False)
        resources = kit(least)
        before = set(totals(resources, [config]))
        new = table.iloc[[0]].assign(patient_id="new", age=99.5)
        pd.concat([table, new]).to_csv(path, index=False)
        after = set(totals(resources, [config]))
        found = {round(abs(a - b), 2) for n, a in after for m, b in before if abs(n - m) == 1}
        assert found & {99.5} == shown
    assert "1 patients wait until 5 have come" in (resources.kit / "sent.log").read_text()


@pytest.mark.parametrize(
    "chosen",
    [
        {"folds": 40, "fold": 3},
        {"seed": 99},
        {"centres": ["a"], "folds": 2, "fold": 0, "seed": 3},
    ],
)
def test_the_server_chooses_no_patients(
    kit: Callable[..., _SiteResources], config: TrainConfig, chosen: dict[str, Any]
) -> None:
    asked = query(flare_plan(config)[0], "moments")
    asked["who"] |= chosen
    reply = FlareSite(config.to_json())._work(kit(1), "reply", asked)
    assert reply == {"refused": "replies for the trainings of this run only"}


def sums(training: Training, betas: list[np.ndarray], shared: dict[str, Any]) -> dict[str, Any]:
    out = [-1] * len(betas)
    return query(training, "sums", out=out, beta=betas, common={}) | {"shared": shared}


def steep(config: TrainConfig) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Coefficients at which p (1 - p) is 1/4 for one age and vanishes for all others."""
    shared = {"count": np.full(2, 100.0), "mean": np.zeros(2), "sum_sq_dev": np.full(2, 100.0)}
    scale = 200.0
    return [np.array([-scale * age, scale, 0.0]) for age in sorted(ages(config.data.table))], shared


def test_steep_coefficients_single_nobody_out(
    kit: Callable[..., _SiteResources], config: TrainConfig
) -> None:
    """Hessian[0, 2] / Hessian[0, 0] is the volume of the patient on whom the curve stands."""
    betas, shared = steep(config)
    training = flare_plan(config)[0]
    volumes = set(pd.read_csv(str(config.data.table)).volume)

    def attacked(resources: _SiteResources) -> set[float]:
        site = FlareSite(config.to_json())
        found = set()
        for beta in betas[:20]:
            reply = site._work(resources, "reply", sums(training, [beta], shared))
            (answer,) = reply["sums"]
            if answer:
                hessian = answer["information"]
                found.add(round(float(hessian[0, 2] / hessian[0, 0]), 3))
        return found & volumes

    assert len(attacked(kit(1))) >= 15
    assert attacked(kit(5)) == set()


def test_queries_are_counted(kit: Callable[..., _SiteResources], config: TrainConfig) -> None:
    """Newton needs at most 26 coefficients with a fixed penalty, and the last; a repeat is free."""
    training = flare_plan(config)[0]
    _, shared = steep(config)
    site = FlareSite(config.to_json())
    resources = kit(5)
    replies = []
    for n in range(30):
        beta = np.array([-0.6, 0.01, n / 1e4])
        for _ in range(2):
            replies.append(site._work(resources, "reply", sums(training, [beta], shared)))
    assert sum("sums" in reply for reply in replies) == 2 * 27
    assert "as many different queries of one kind as this run needs (27)" in replies[-1]["refused"]


def test_more_folds_than_groups_are_refused_with_the_remedy(
    kit: Callable[..., _SiteResources], config: TrainConfig
) -> None:
    resources = kit(5)
    with pytest.raises(Refusal, match=r"has patients for 6 folds .* lower training.folds"):
        resources.open_site(resources.policy.applied(folds(config, 7)))
    assert resources.open_site(resources.policy.applied(folds(config, 6)))


def malformed(config: TrainConfig) -> dict[str, dict[str, Any]]:
    """Queries whose parameters choose rows: as found, each gave exact rows under a limit of 5."""
    training = flare_plan(config)[0]
    betas, shared = [np.zeros(3)], steep(config)[1]
    whole = sums(training, betas, shared)
    chosen = np.full(PATIENTS, -1)
    chosen[0] = 2
    per_patient = np.zeros((PATIENTS, 2))
    per_patient[0] = 1.0
    return {
        "an array as a fold": whole | {"parameters": {**whole["parameters"], "out": [chosen]}},
        "a fold that is none": whole | {"parameters": {**whole["parameters"], "out": [99]}},
        "False as a fold": whole | {"parameters": {**whole["parameters"], "out": [False]}},
        "coefficients in a column": whole
        | {"parameters": {**whole["parameters"], "beta": [np.zeros((3, 1))]}},
        "endless coefficients": whole
        | {"parameters": {**whole["parameters"], "beta": [np.array([np.inf, 0, 0])]}},
        "a deviation for each patient": whole | {"shared": shared | {"sum_sq_dev": per_patient}},
        "a mean for each patient": whole | {"shared": shared | {"mean": per_patient}},
        "no moments": whole | {"shared": {}},
    }


def test_parameters_choose_no_rows(kit: Callable[..., _SiteResources], config: TrainConfig) -> None:
    for name, asked in malformed(config).items():
        reply = FlareSite(config.to_json())._work(kit(5), "reply", asked)
        assert set(reply) == {"refused"}, name


def test_other_names_of_the_patients_deal_nothing_anew(
    kit: Callable[..., _SiteResources], config: TrainConfig
) -> None:
    """With age as the name of a patient all would be new; the difference showed patient 11."""
    table = pd.read_csv(str(config.data.table))
    assert table.age.is_unique
    other = replace(config, data=replace(config.data, id_column="age"))
    resources = kit(5)
    assert list(totals(resources, [config]))
    assert not list(totals(resources, [other]))
    assert "was asked with data.id_column = patient_id" in (resources.kit / "sent.log").read_text()


def test_next_to_no_noise_does_not_replace_groups(
    kit: Callable[..., _SiteResources], config: TrainConfig
) -> None:
    """A lead set privacy.level to go without groups, with noise of 1e-9."""
    bounds = {"age": (20.0, 90.0), "volume": (0.0, 200.0)}
    privacy = replace(config.privacy, level="patient", noise=1e-9, clip=100.0, bounds=bounds)
    model = replace(config.model, kind="network")
    lead = folds(replace(config, privacy=privacy, model=model), 20)
    resources = kit(5)
    with pytest.raises(Refusal, match="lower training.folds"):
        resources.open_site(resources.policy.applied(lead))
