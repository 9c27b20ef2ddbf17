"""Training end to end: closed forms, resuming, and both engines bit for bit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput, FlameError
from flame.core.scores import Correction
from flame.federation.checkpoint import checkpoint_path, load_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.in_process import in_process_call
from flame.federation.sections import DataConfig
from flame.federation.site import Site
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, POOLED, Training, joint_trainings
from flame.models.response.inputs import concatenate
from flame.pipelines import evaluate, train
from tests.helpers.engines import on_both_engines


def sites(config: TrainConfig) -> dict[str, Site]:
    task = open_task(config)
    inputs = [task.patients(load_cohort(config, c)) for c in ("a", "b")]
    return {**{i.centre: Site(task, [i]) for i in inputs}, POOLED: Site(task, inputs)}


def weights(run: Path, name: str) -> list[np.ndarray]:
    checkpoint = load_checkpoint(checkpoint_path(run, name))
    assert checkpoint is not None
    return checkpoint.state.weights


def test_fedavg_of_one_full_batch_step_is_the_pooled_gradient_step(
    toy: TrainConfig, tmp_path: Path
) -> None:
    config = replace(toy, training=replace(toy.training, epochs=1, rounds=5))
    call = in_process_call(sites(config))
    for kind, who in ((FEDERATED, ("a", "b")), (POOLED, (POOLED,))):
        plan = [Training(kind, ("a", "b"), 0, 2)]
        coordinator = Coordinator(config, open_task(config), tmp_path, plan)
        coordinator.run(call, lambda f, who=who: who)
    found, expected = (weights(tmp_path, f"{k}.seed-0.all") for k in (FEDERATED, POOLED))
    for a, b in zip(found, expected, strict=True):
        assert np.allclose(a, b, atol=1e-6)


def test_logistic_regression_reaches_the_optimum_scikit_learn_finds(
    toy: TrainConfig, tmp_path: Path
) -> None:
    from sklearn.linear_model import LogisticRegression

    from flame.preprocessing.harmonisation.standardisation import standardise, summarise

    config = replace(
        toy,
        model=replace(toy.model, l2=0.05),
        training=replace(toy.training, rounds=400, epochs=1, learning_rate=0.5),
    )
    plan = [Training(FEDERATED, ("a", "b"), 0, 2)]
    all_sites = sites(config)
    coordinator = Coordinator(config, open_task(config), tmp_path, plan)
    coordinator.run(in_process_call(all_sites), lambda f: f.centres)
    kernel, bias = weights(tmp_path, "federated.seed-0.all")
    pooled = concatenate(all_sites[POOLED].patients)
    x = standardise(pooled.clinical, summarise(pooled.clinical))
    # Keras: mean loss + l2 |w|^2; scikit-learn: C * sum of losses + |w|^2 / 2.
    c = 1 / (2 * 0.05 * len(x))
    reference = LogisticRegression(C=c, tol=1e-8).fit(x, pooled.response)
    assert np.allclose(kernel[:, 0], reference.coef_[0], atol=1e-3)
    assert bias[0] == pytest.approx(reference.intercept_[0], abs=1e-3)


def test_a_killed_run_resumes_to_the_same_weights(toy: TrainConfig, tmp_path: Path) -> None:
    train.run(toy, tmp_path / "whole")

    class KilledError(Exception):
        pass

    def kill(stage: str, done: int, total: int) -> None:
        if stage == FEDERATED and done == 7:  # in the second training
            raise KilledError

    with pytest.raises(KilledError):
        train.run(toy, tmp_path / "resumed", kill)
    train.run(toy, tmp_path / "resumed")
    names = sorted(p.name for p in (tmp_path / "whole" / "models").iterdir())
    assert names == sorted(p.name for p in (tmp_path / "resumed" / "models").iterdir())
    for name in names:
        name = name.removesuffix(".npz")
        for a, b in zip(
            weights(tmp_path / "whole", name), weights(tmp_path / "resumed", name), strict=True
        ):
            assert np.array_equal(a, b)
    history = pd.read_csv(tmp_path / "resumed" / "history.csv")
    assert not history.duplicated(["training", "round", "site"]).any()
    federated = history[history.training == "federated.seed-0.all"]
    assert sorted(set(federated["round"])) == [1, 2, 3]


def test_run_with_another_config_is_refused(toy: TrainConfig, tmp_path: Path) -> None:
    train.run(toy, tmp_path / "run")
    with pytest.raises(BadInput, match="another configuration"):
        train.run(replace(toy, training=replace(toy.training, rounds=4)), tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("keep")
    with pytest.raises(BadInput, match="holds no run"):
        train.run(toy, tmp_path / "other")


def test_site_that_diverges_is_refused(toy: TrainConfig, tmp_path: Path) -> None:
    config = replace(toy, training=replace(toy.training, learning_rate=1e30, epochs=20))
    with pytest.raises(FlameError, match="not finite; lower training.learning_rate"):
        train.run(config, tmp_path / "run")


def test_site_of_another_version_is_refused(toy: TrainConfig, tmp_path: Path) -> None:
    class OldSite(Site):
        def describe(self) -> dict:
            return {**super().describe(), "version": "0.0.1"}

    task = open_task(toy)
    site = OldSite(task, [task.patients(load_cohort(toy, "a"))])
    coordinator = Coordinator(toy, task, tmp_path, [Training(FEDERATED, ("a",), 0, 2)])
    with pytest.raises(FlameError, match=r"site a runs FLAME 0\.0\.1"):
        coordinator.run(in_process_call({"a": site}), lambda f: f.centres)


def test_nothing_but_weights_counts_and_sums_leaves_a_site(toy: TrainConfig) -> None:
    site = sites(toy)["a"]
    call = in_process_call({"a": site})
    who = {"who": {"seed": 0, "folds": 2, "fold": 0, "centres": ["a"]}}
    assert set(call("describe", ("a",)).got["a"]) == {"version"}
    nothing = {"parameters": {}, "weights": [], "shared": {}, "calibrating": False}
    moments = call("reply", ("a",), query="moments", **nothing, **who).got["a"]
    assert {k: v.shape for k, v in moments.items()} == dict.fromkeys(
        ("count", "mean", "sum_sq_dev"), (2,)
    )
    start = call("initial_weights", ("a",), seed=0).got["a"]["weights"]
    answer = call(
        "train",
        ("a",),
        {"a": {"weights": start, "corrections": [vars(Correction())]}},
        name="n",
        number=1,
        shared=moments,
        **who,
    ).got["a"]
    assert set(answer) == {"weights", "patients", "loss", "seconds", "steps", "also", "losses"}
    assert [w.shape for w in answer["weights"]] == [(2, 1), (1,)]


@pytest.mark.flare
def test_flare_and_in_process_give_the_same_weights(toy: TrainConfig, tmp_path: Path) -> None:
    from flame.federation.flare.simulator import train_on_flare

    train.run(toy, tmp_path / "here")
    data = replace(toy.data, centres=("a", "b"))
    on_flare = replace(toy, data=data, federation=replace(toy.federation, engine="flare"))
    (tmp_path / "flare").mkdir()
    train_on_flare(on_flare, tmp_path / "flare", lambda done, total: None)
    for training in joint_trainings(FEDERATED, ("a", "b"), (0,), 2):
        for a, b in zip(
            weights(tmp_path / "here", training.name),
            weights(tmp_path / "flare", training.name),
            strict=True,
        ):
            assert np.array_equal(a, b), training.name


@pytest.mark.slow
@pytest.mark.flare
def test_a_site_that_fails_on_flare_is_named_without_its_data(
    toy: TrainConfig, tmp_path: Path
) -> None:
    from flame.federation.flare.simulator import train_on_flare

    table = Path(toy.data.table)
    table.write_text(table.read_text().replace("b3,", "b3,secret", 1))
    data = replace(toy.data, centres=("a", "b"))
    config = replace(toy, data=data, federation=replace(toy.federation, engine="flare"))
    with pytest.raises(
        FlameError, match=r"'describe' was not finished: site b failed \(BadInput\)"
    ) as caught:
        train_on_flare(config, tmp_path, lambda done, total: None)
    assert "secret" not in str(caught.value)


class TestBadData:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"centres": ("a", "nowhere")}, "no rows of centre 'nowhere'; column centre has: a, b"),
            ({"centre_column": "center"}, "no column 'center': did you mean 'centre'"),
            ({"table": "none.csv"}, "no table at"),
        ],
    )
    def test_table(self, toy: TrainConfig, tmp_path: Path, change: dict, message: str) -> None:
        config = replace(toy, data=replace(toy.data, **change))
        with pytest.raises(BadInput, match=message):
            train.run(config, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_unknown_feature(self, toy: TrainConfig, tmp_path: Path) -> None:
        config = replace(toy, model=replace(toy.model, clinical=("x", "yy")))
        with pytest.raises(BadInput, match="no column 'yy'"):
            train.run(config, tmp_path / "run")

    def test_text_where_a_number_belongs(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = Path(toy.data.table)
        table.write_text(table.read_text().replace("a,a0,", "a,a0,tall", 1))
        with pytest.raises(BadInput, match=r"toy.csv, line 2, column x: not a number"):
            train.run(toy, tmp_path / "run")

    def test_centre_without_events_warns_and_trains(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = pd.read_csv(toy.data.table)
        table.loc[table.centre == "b", "response"] = 1
        table.to_csv(toy.data.table, index=False)
        result = train.run(toy, tmp_path / "run")
        (warning,) = result.warnings
        assert "centre b has 16 responders among 16 patients" in warning

    def test_nowhere_both_classes_is_refused(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = pd.read_csv(toy.data.table)
        table["response"] = 0
        table.to_csv(toy.data.table, index=False)
        with pytest.raises(BadInput, match="nothing can be learned"):
            train.run(toy, tmp_path / "run")

    def test_no_outcome_at_all(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = pd.read_csv(toy.data.table).drop(columns="response")
        table.to_csv(toy.data.table, index=False)
        with pytest.raises(BadInput, match="centre a: no patient has a known response"):
            train.run(toy, tmp_path / "run")

    def test_a_patient_who_occurs_twice(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = pd.read_csv(toy.data.table)
        table.loc[3, "patient_id"] = "a0"
        table.to_csv(toy.data.table, index=False)
        with pytest.raises(BadInput, match=r"toy.csv, line 5: this patient_id occurs twice"):
            train.run(toy, tmp_path / "run")

    def test_fewer_patients_than_folds(self, toy: TrainConfig, tmp_path: Path) -> None:
        config = replace(toy, training=replace(toy.training, folds=17))
        with pytest.raises(
            BadInput, match=r"centre b has 16 patients .* fewer than training.folds"
        ):
            train.run(config, tmp_path / "run")

    @pytest.mark.parametrize(
        ("section", "change", "message"),
        [
            ("training", {"rounds": 0}, "rounds must be 1 or more, not 0"),
            ("training", {"optimizer": "adamm"}, "optimizer 'adamm' is unknown"),
            ("training", {"folds": 1}, "folds must be 2 or more, not 1"),
            ("federation", {"strategy": "fedavgg"}, "did you mean 'fedavg'"),
            ("federation", {"engine": "flair"}, "engine must be one of in-process, flare"),
            ("data", {"impute": {"age": 1.0}}, "impute names an unused feature"),
            ("data", {"horizon_days": 365.0}, "needs data.survival"),
            ("data", {"centres": ("a", "a")}, "names a centre twice"),
            ("data", {"centres": ("../a",)}, "use letters, digits"),
            ("data", {"centres": ("a", "pooled")}, "taken by the pooled model"),
            ("training", {"seeds": (0, 0)}, "training.seeds"),
            ("training", {"learning_rate": float("nan")}, "learning_rate must be a finite number"),
            ("model", {"sequences": ("T3",)}, "must be one of T1, T1C, T2, FLAIR"),
        ],
    )
    def test_settings(
        self, toy: TrainConfig, tmp_path: Path, section: str, change: dict, message: str
    ) -> None:
        def changed_run() -> None:
            changed = replace(toy, **{section: replace(getattr(toy, section), **change)})
            train.run(changed, tmp_path / "run")

        with pytest.raises(BadInput, match=message):
            changed_run()
        assert not (tmp_path / "run").exists()

    def test_both_or_no_source(self) -> None:
        with pytest.raises(BadInput, match="exactly one"):
            TrainConfig(DataConfig())
        with pytest.raises(BadInput, match="exactly one"):
            TrainConfig(DataConfig(bids="a", table="b"))


@pytest.mark.flare
@pytest.mark.slow
def test_real_hospitals_federated_is_not_below_pooled(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    from flame.core.config import load_config
    from flame.pipelines import evaluate

    example = Path(__file__).resolve().parents[2] / "examples" / "gbm_table.toml"
    table = shared("tables/gbm_four_centres.csv")
    config = load_config(TrainConfig, example, [f"data.table={table}"])
    train.run(config, tmp_path / "run")
    evaluate.run(tmp_path / "run")
    gaps = pd.read_csv(tmp_path / "run" / "differences.csv")
    against_pooled = gaps[gaps.against.str.startswith("pooled")].value
    assert len(against_pooled) == 6
    assert against_pooled.mean() > -0.03


@pytest.mark.slow
@pytest.mark.flare
def test_kill_9_on_flare_leaves_no_process_and_the_same_weights_in_the_end(
    toy: TrainConfig, tmp_path: Path
) -> None:
    import signal
    import subprocess
    import sys
    import time

    from flame.core.config import as_toml

    config = replace(
        toy,
        training=replace(toy.training, rounds=60),
        federation=replace(toy.federation, engine="flare"),
    )
    (tmp_path / "c.toml").write_text(as_toml(config))
    run = tmp_path / "killed"
    command = [sys.executable, "-m", "flame.cli", "train", str(tmp_path / "c.toml"), "--out"]
    process = subprocess.Popen([*command, str(run)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (run / "progress.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (run / "progress.json").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()

    def alive() -> list[str]:
        commands = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
        return [c.decode(errors="replace") for c in commands if str(run).encode() in c]

    while alive() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not alive()
    at = [c.round for p in (run / "models").glob("[!.]*.npz") if (c := load_checkpoint(p))]
    assert at
    assert sum(at) < 60 * len(joint_trainings(FEDERATED, ("a", "b"), (0,), 2))
    train.run(config, run)
    in_process = replace(config, federation=toy.federation)
    train.run(in_process, tmp_path / "whole")
    for path in (tmp_path / "whole" / "models").glob("*.npz"):
        for a, b in zip(
            weights(tmp_path / "whole", path.stem), weights(run, path.stem), strict=True
        ):
            assert np.array_equal(a, b), path.stem


@pytest.mark.slow
@pytest.mark.flare
@pytest.mark.parametrize("strategy", ["scaffold", "ditto"])
def test_what_is_told_to_one_site_alone_gives_the_same_on_flare(
    toy: TrainConfig, tmp_path: Path, strategy: str
) -> None:
    model = replace(toy.model, hidden=3)
    config = replace(toy, model=model)
    config = replace(config, federation=replace(config.federation, strategy=strategy))
    for here, there in on_both_engines(config, tmp_path):
        one, other = here.state, there.state
        assert one.memory.keys() == other.memory.keys() != set()
        for key in ("weights", *one.memory):
            pairs = zip(
                one.weights if key == "weights" else one.memory[key],
                other.weights if key == "weights" else other.memory[key],
                strict=True,
            )
            assert all(np.array_equal(a, b) for a, b in pairs)
    scores = pd.read_csv(evaluate.run(tmp_path / "here").scores)
    assert scores[scores.metric == "auc"].value.notna().any()


def test_sites_that_need_not_wait_take_turns_in_process(toy: TrainConfig, tmp_path: Path) -> None:
    federation = replace(toy.federation, strategy="fedbuff", options={"buffer": 1})
    config = replace(toy, federation=federation, training=replace(toy.training, rounds=7))
    train.run(config, tmp_path / "run")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    own = history[history.training == "federated.seed-0.all"]
    assert own.site.tolist() == ["a", "b", "a", "b", "a", "b", "a"]
    # Whoever is not waited for began a round earlier than the one that takes the update.
    call = in_process_call(sites(config))
    task = open_task(config)
    coordinator = Coordinator(config, task, tmp_path / "again", [])
    seen: list[int] = []
    kept = coordinator.strategy.aggregate

    def spy(state, updates):  # type: ignore[no-untyped-def]
        seen.extend(u.staleness for u in updates)
        return kept(state, updates)

    object.__setattr__(coordinator.strategy, "aggregate", spy)
    coordinator.plan = [Training(FEDERATED, ("a", "b"), 0, 2)]
    coordinator.run(call, lambda f: f.centres)
    assert seen == [0, 1, 1, 1, 1, 1, 1]


@pytest.mark.slow
def test_strategies_to_compare_are_columns_of_the_report(toy: TrainConfig, tmp_path: Path) -> None:
    federation = replace(toy.federation, compare=("fedprox", "median"))
    config = replace(toy, federation=federation)
    train.run(config, tmp_path / "run")
    table = pd.read_csv(evaluate.run(tmp_path / "run").scores.parent / "generalisation.csv")
    for name in ("federated", "fedprox", "median"):
        assert table[name].between(0, 1).all()
        assert f"{name} leave-one-out" in table
    alone = tmp_path / "alone"
    train.run(replace(toy, federation=replace(toy.federation, strategy="fedprox")), alone)
    for a, b in zip(
        weights(tmp_path / "run", "fedprox.seed-0.all"),
        weights(alone, "federated.seed-0.all"),
        strict=True,
    ):
        assert np.allclose(a, b, atol=1e-6)
    with pytest.raises(BadInput, match="federation.compare lists federation.strategy itself"):
        replace(toy, federation=replace(federation, compare=("fedavg",)))
    bad = replace(toy, federation=replace(federation, compare=("fedporx",)))
    with pytest.raises(BadInput, match="unknown strategy 'fedporx'"):
        train.run(bad, tmp_path / "bad")


def test_a_finished_training_that_goes_on_is_one_of_more_rounds(
    toy: TrainConfig, tmp_path: Path
) -> None:
    """Bit for bit, with the sums at its end; a site that joins later takes part from then on."""
    plan = [Training(FEDERATED, ("a", "b"), 0, 2)]
    longer = replace(toy, training=replace(toy.training, rounds=7))
    for config, run in ((toy, "twice"), (longer, "twice"), (longer, "once")):
        coordinator = Coordinator(config, open_task(config), tmp_path / run, plan)
        coordinator.run(in_process_call(sites(config)), lambda f: f.centres)
    twice, once = (
        load_checkpoint(checkpoint_path(tmp_path / run, plan[0].name)) for run in ("twice", "once")
    )
    assert twice is not None
    assert once is not None
    assert twice.finished
    assert (twice.round, len(twice.history)) == (7, 14)
    for a, b in zip(twice.state.weights, once.state.weights, strict=True):
        assert np.array_equal(a, b)
    assert twice.shared.keys() == once.shared.keys()

    alone = [Training(FEDERATED, ("a",), 0, 2)]
    for config, part in ((toy, alone), (longer, plan)):
        coordinator = Coordinator(config, open_task(config), tmp_path / "joined", part)
        coordinator.run(in_process_call(sites(config)), lambda f: f.centres)
    joined = load_checkpoint(checkpoint_path(tmp_path / "joined", plan[0].name))
    assert joined is not None
    by_round = pd.DataFrame(joined.history).groupby("round").site.apply(list)
    assert list(by_round) == [["a"]] * 3 + [["a", "b"]] * 4
