"""``flame check``: data and policy of a hospital, compared with the configuration of a run."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from flame.core.config import build
from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.flare.provisioning import Project, provision
from flame.pipelines import check
from flame.streams.config import StreamConfig


@pytest.mark.flare
def test_faults_of_data_and_policy(toy: TrainConfig, tmp_path: Path) -> None:
    given = {"name": "gbm", "host": "localhost", "sites": ["a"], "port": 9}
    provision(build(Project, given, "project.toml"), tmp_path / "kits")
    kit = tmp_path / "kits" / "a"

    def told(data: Path, config: TrainConfig | None = None) -> str:
        found = check.run(kit, data, config)
        return " ".join(f.words for f in found if f.level == "fault" and f.what != "port")

    assert "no data at" in told(tmp_path / "nothing.csv")
    assert "holds no BIDS derivatives" in told(tmp_path)
    inside = kit / "patients.csv"
    inside.write_text("x\n1\n")
    assert "keep data elsewhere" in told(inside)
    table = pd.read_csv(toy.data.table)
    own = table[table.centre == "a"]
    mine = tmp_path / "patients.csv"
    own.to_csv(mine, index=False)
    config = replace(toy, data=replace(toy.data, centres=("a", "b")))
    assert not told(mine)
    assert not told(mine, config)
    ((_, words),) = [(f.what, f.words) for f in check.run(kit, mine, config) if f.what == "data"]
    assert words == f"{len(own)} patients, in {len(own) // 5} groups of 5 or more"
    own.head(3).to_csv(mine, index=False)
    assert "3 patients, of whom a sum needs 5" in told(mine, config)
    own.drop(columns=config.features()[0]).to_csv(mine, index=False)
    assert config.features()[0] in told(mine, config)
    (kit / "local" / "policy.toml").write_text("secure = true\n")
    assert "the site sends updates under masks only" in told(mine, config)


@pytest.mark.flare
def test_a_table_is_compared_with_a_stream(tmp_path: Path) -> None:
    given = {"name": "wards", "host": "localhost", "sites": ["a", "b"], "port": 9}
    provision(build(Project, given, "project.toml"), tmp_path / "kits")
    kit = tmp_path / "kits" / "a"
    mine = tmp_path / "rows.csv"
    mine.write_text("when,dose,ill\n" + "2024-01-02,1.5,1\n2024-01-12,2.5,0\n" * 6)
    stream = {
        "compare": ["local"],
        "table": {
            "outcome": "ill",
            "positive": ["1"],
            "features": ["dose"],
            "time_columns": ["when"],
            "start": "2024-01-01",
            "step": 10,
            "scale": "node",
        },
        "sites": {"steps": 3},
    }
    config = build(StreamConfig, stream, "stream.toml")

    def told(config: StreamConfig) -> str:
        found = [f for f in check.run(kit, mine, config) if f.what != "port"]
        return [f.words for f in found if f.what == "data" or f.level == "fault"][-1]

    assert told(config) == "12 rows, in 2 of 3 steps"
    assert "has no peers = true" in told(replace(config, compare=("gossip",)))
    mine.write_text(mine.read_text().replace("dose", "dosis"))
    assert "did you mean 'dosis'" in told(config)


def test_no_kit(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is not a start-up kit"):
        list(check.run(tmp_path))
