"""Streams between hospitals with kits, tables and policies of their own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.pipelines import stream
from flame.streams.config import SitesConfig, StreamConfig
from flame.streams.learners.learner import Pace
from flame.streams.nodes.checkpoints import Checkpoints
from flame.streams.sources.tables.config import TableConfig
from tests.helpers.hospitals import SITES, Hospitals, until

pytestmark = [pytest.mark.flare, pytest.mark.slow]
TABLE = TableConfig(
    outcome="ill",
    features=("dose", "age"),
    time_columns=("when",),
    positive=("1",),
    step=6.0,
    start="2024-01-01",
    scale="node",
)
CONFIG = StreamConfig(
    table=TABLE,
    sites=SitesConfig(names=SITES, steps=8, heartbeat_timeout_s=6.0),
    training=Pace(rounds=12, local_steps=2),
    compare=("local", "fedavg", "evidence-gossip"),
    seeds=(0,),
)
LONGEST_S = 900


def given_tables(hospitals: Hospitals, policy: str = "peers = true") -> None:
    """Tables of 48 days; at b the outcome turns round after 24."""
    rng = np.random.default_rng(0)
    for name in SITES:
        day = np.sort(rng.uniform(0, 48, 400))
        dose, age = rng.normal(size=(2, 400)).round(6)
        ill = ((dose > 0) ^ ((day > 24) & (name == "b"))).astype(int)
        when = pd.Timestamp("2024-01-01") + pd.to_timedelta(day.round(4), "D")
        table = pd.DataFrame({"when": when, "dose": dose, "age": age, "ill": ill})
        table.to_csv(hospitals.root / name / "patients.csv", index=False)
        file = hospitals.kit(name) / "local" / "policy.toml"
        file.write_text(file.read_text().replace("peers = false", policy))


def same_as_in_process(hospitals: Hospitals, out: Path, here: Path) -> None:
    tables = []
    for name in SITES:
        tables.append(str(here.parent / f"{name}.csv"))
        text = (hospitals.root / name / "patients.csv").read_text()
        Path(tables[-1]).write_text(text)
    table = replace(TABLE, files=tuple(tables))
    whole = stream.run(replace(CONFIG, table=table, sites=SitesConfig()), here).rows
    for method in CONFIG.compare:
        found = pd.read_csv(out / "steps" / f"{method}.seed-0.csv", float_precision="round_trip")
        expected = whole[whole.method == method].reset_index(drop=True)
        for column in ("accuracy", "alarm"):
            assert found[column].astype(float).equals(expected[column].astype(float)), column


def test_hospitals_learn_from_their_own_tables(hospitals: Hospitals, tmp_path: Path) -> None:
    given_tables(hospitals)
    hospitals.start("server", *SITES)
    submitted = hospitals.submit(CONFIG, tmp_path / "run")
    assert submitted.wait(LONGEST_S) == 0, hospitals.said()
    same_as_in_process(hospitals, tmp_path / "run", tmp_path / "here")
    assert (tmp_path / "run" / "stream.html").exists()
    sent = (hospitals.kit("a") / "sent.log").read_text()
    assert "models in the rounds of step 0 of fedavg, learned from" in sent
    assert "evidence on them" in sent
    assert "to b" in sent
    table = pd.read_csv(hospitals.root / "b" / "patients.csv", dtype=str)
    told = [*tmp_path.glob("run/**/*"), *hospitals.kit("server").rglob("*")]
    for path in told:  # no cell of a table, nor where one lies
        if path.is_file():
            content = path.read_bytes()
            assert table.when[0].encode() not in content, path
            assert table.dose[0].encode() not in content, path
            assert b"patients.csv" not in content, path


def test_a_policy_keeps_evidence_at_its_hospital(hospitals: Hospitals, tmp_path: Path) -> None:
    given_tables(hospitals, "peers = true")
    file = hospitals.kit("b") / "local" / "policy.toml"
    file.write_text(file.read_text().replace("evidence = true", "evidence = false"))
    hospitals.start("server", *SITES)
    submitted = hospitals.submit(CONFIG, tmp_path / "run")
    assert submitted.wait(LONGEST_S) == 1
    assert "site b sends no evidence on models: its policy has evidence = false" in hospitals.said()


def test_a_hospital_that_is_killed_comes_back(hospitals: Hospitals, tmp_path: Path) -> None:
    given_tables(hospitals)
    hospitals.start("server", *SITES)
    submitted = hospitals.submit(CONFIG, tmp_path / "run")
    last = 4  # half of the steps

    def there() -> bool:
        found = (hospitals.kit("b") / "flame-runs").glob("*/checkpoints")
        return any(max(Checkpoints(path).positions(), default=0) >= last for path in found)

    until(there, LONGEST_S)
    hospitals.kill("b")
    hospitals.start("b")
    assert submitted.wait(LONGEST_S) == 0, hospitals.said()
    assert "going on from the last round" in hospitals.said()
    same_as_in_process(hospitals, tmp_path / "run", tmp_path / "here")


def test_without_a_hospital_the_others_go_on(hospitals: Hospitals, tmp_path: Path) -> None:
    given_tables(hospitals)
    hospitals.start("server", "a")
    sites = replace(CONFIG.sites, min_sites=1)
    config = replace(CONFIG, sites=sites, compare=("evidence-gossip",))
    submitted = hospitals.submit(config, tmp_path / "run", "--patience", "20")
    assert submitted.wait(LONGEST_S) == 0, hospitals.said()
    assert "going on without b" in hospitals.said()
    rows = pd.read_csv(tmp_path / "run" / "steps" / "evidence-gossip.seed-0.csv")
    assert set(rows.node) == {"a"}
    assert rows.accuracy.iloc[-3:].mean() > 0.9
