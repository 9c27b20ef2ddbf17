"""flame stream as a user runs it: results, the page, resume, and what is refused."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from flame.core.config import build, load_config
from flame.core.errors import BadInput, FlameError
from flame.federation import run_folder
from flame.pipelines import stream
from flame.streams.config import SitesConfig, StreamConfig
from flame.streams.nodes.program import STEPS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SMALL = [
    "training.rounds=3",
    "seeds=[0, 1]",
    "schedule.name=made",
    "schedule.nodes=4",
    "schedule.steps=4",
    "schedule.at=[2]",
    "schedule.order=[0, 1]",
    "synthetic.samples=30",
    'compare=["local", "fedavg", "oracle"]',
]


def small(*more: str) -> StreamConfig:
    return load_config(StreamConfig, EXAMPLES / "stream_sea.toml", [*SMALL, *more])


def test_a_killed_run_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    whole = stream.run(small(), tmp_path / "whole")
    stream.run(small(), tmp_path / "cut")
    steps = tmp_path / "cut" / STEPS
    (steps / "oracle.seed-1.csv").unlink()
    kept = (steps / "local.seed-0.csv").stat().st_mtime_ns
    again = stream.run(small(), tmp_path / "cut", jobs=2)
    assert (steps / "local.seed-0.csv").stat().st_mtime_ns == kept
    pd.testing.assert_frame_equal(whole.rows, again.rows)


@pytest.mark.slow
def test_a_run_of_several_processes_that_was_killed_goes_on(tmp_path: Path) -> None:
    slow = [*SMALL, "training.rounds=300", "schedule.steps=6"]  # than what kills it
    out, given = tmp_path / "run", [part for text in slow for part in ("--set", text)]
    command = [
        sys.executable,
        "-m",
        "flame.cli",
        "stream",
        str(EXAMPLES / "stream_sea.toml"),
        "--out",
        str(out),
        "--jobs",
        "2",
        *given,
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not list(out.glob("steps/*.csv")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("steps/*.csv")}
    assert len(kept) < 6
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(out.glob("steps/*.csv"))) == 6
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items())


def test_the_page_shows_every_method_and_says_that_data_are_simulated(tmp_path: Path) -> None:
    found = stream.run(small("gossip.topology=line"), tmp_path / "run")
    page = found.html.read_text()
    assert found.simulated
    assert "Simulated data." in page
    for text in ("local", "fedavg", "oracle", "line: spectral gap", "nodes-", "drift-", "%"):
        assert text in page
    assert str(tmp_path) not in page
    table = pd.read_csv(tmp_path / "run" / stream.SUMMARY)
    mean = found.rows[found.rows.method == "local"].groupby("seed").accuracy.mean().mean()
    shown = table[(table.method == "local") & (table.figure == "accuracy")].value.item()
    assert shown == pytest.approx(mean)


def test_nodes_keep_names_that_look_like_numbers(tmp_path: Path) -> None:
    """Sites 01, 1 and 1.5 are three; 1.0 is 1, as a program writes it that met an empty cell."""
    lines = [
        f"{site}{'.0' * (site == '1' and day > 20)},{day},{(day * k) % 7},{(day + k) % 2}"
        for k, site in enumerate(("01", "1", "1.5"))
        for day in range(40)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["site,day,x,y", *lines]))
    given = {
        "files": [str(tmp_path / "t.csv")],
        "outcome": "y",
        "features": ["x"],
        "time_columns": ["day"],
        "site_column": "site",
        "step": 10,
    }
    config = build(
        StreamConfig,
        {"table": given, "compare": ["local"], "seeds": [0], "training": {"rounds": 2}},
        "here",
    )
    found = stream.run(config, tmp_path / "run")
    assert sorted(found.rows.node.unique()) == ["01", "1", "1.5"]
    again = stream.run(config, tmp_path / "run")
    local = again.rows[again.rows.method == "local"]
    assert local.groupby("node").size().tolist() == [3, 3, 3]
    damaged = next((tmp_path / "run" / STEPS).iterdir())
    damaged.write_text("")
    with pytest.raises(BadInput, match=rf"{damaged.name}.*delete it"):
        stream.run(config, tmp_path / "run")


def test_steps_that_were_cut_are_noticed(tmp_path: Path) -> None:
    stream.run(small("seeds=[0]"), tmp_path / "run")
    path = tmp_path / "run" / STEPS / "local.seed-0.csv"
    whole = path.read_text()
    for kept in (whole[: len(whole) // 2], "".join(whole.splitlines(keepends=True)[:-4])):
        path.write_text(kept)
        with pytest.raises(BadInput, match=r"local.seed-0.csv: damaged"):
            stream.run(small("seeds=[0]"), tmp_path / "run")
    path.write_text(whole)
    stream.run(small("seeds=[0]"), tmp_path / "run")


def test_files_that_were_renamed_are_other_nodes(tmp_path: Path) -> None:
    for name in "ab":
        lines = [f"{day},{day % 7},{day % 2}" for day in range(40)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["day,x,y", *lines]))
    given = {
        "files": [str(tmp_path / "*.csv")],
        "outcome": "y",
        "features": ["x"],
        "time_columns": ["day"],
        "step": 10,
    }
    config = build(
        StreamConfig,
        {"table": given, "compare": ["local"], "seeds": [0], "training": {"rounds": 2}},
        "here",
    )
    page = stream.run(config, tmp_path / "run").html.read_text()
    assert "classes 0 (50 %), 1 (50 %)" in page
    (tmp_path / "b.csv").rename(tmp_path / "z.csv")
    with pytest.raises(BadInput, match="the data changed"):
        stream.run(config, tmp_path / "run")


@pytest.mark.parametrize("name", ["z -w elsewhere", "..", "Zürich", "server", "-x"])
def test_a_node_that_cannot_name_a_process_is_refused(name: str, tmp_path: Path) -> None:
    """Names are cells of a table: as words or paths of a command they could be anything."""
    rows = "".join(f"{site},{day},{day % 2},{day}\n" for day in range(20) for site in (name, "b"))
    (tmp_path / "a.csv").write_text("site,day,y,x\n" + rows)
    given = {
        "files": [str(tmp_path / "a.csv")],
        "outcome": "y",
        "features": ["x"],
        "time_columns": ["day"],
        "site_column": "site",
        "step": 10,
    }
    config = build(
        StreamConfig,
        {"table": given, "compare": ["local"], "sites": {"engine": "flare"}},
        "here",
    )
    with pytest.raises(BadInput, match="cannot name a process"):
        stream.run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_with_a_changed_plug_in_does_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = {"mine.py": "1"}
    monkeypatch.setattr(run_folder, "plugin_hashes", lambda: hashes)
    config = small("seeds=[0]", 'compare=["local"]')
    stream.run(config, tmp_path / "run")
    hashes["mine.py"] = "2"
    with pytest.raises(BadInput, match=r"the plug-in mine\.py changed since the run began"):
        stream.run(config, tmp_path / "run")


def test_what_fails_names_its_method_and_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*given: object) -> None:
        raise FlameError("its models are no longer finite")

    monkeypatch.setattr(stream, "prequential", failing)
    with pytest.raises(FlameError, match="method 'local', seed 0: its models are no longer finite"):
        stream.run(small("seeds=[0]"), tmp_path / "run")


def test_a_run_that_cannot_be_claims_no_folder(tmp_path: Path) -> None:
    wrong = small("methods.mine.learner=feddrift", "methods.mine.exchange=gossip")
    with pytest.raises(BadInput, match="method 'mine'.*server"):
        stream.run(wrong, tmp_path / "run")
    apart = tmp_path / "links.csv"
    apart.write_text("node,hears\nnode-1,node-2\nnode-2,node-1\nnode-3,node-4\nnode-4,node-3\n")
    links = ["gossip.topology=file", f"gossip.file={apart}", 'compare=["gossip"]', "seeds=[0]"]
    with pytest.raises(BadInput, match="not every node"):
        stream.run(small(*links), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    apart.write_text(
        "node,hears\n"
        + "".join(f"node-{a},node-{b}\nnode-{b},node-{a}\n" for a, b in ((1, 2), (2, 3), (3, 4)))
    )
    stream.run(small(*links), tmp_path / "run")
    apart.write_text(apart.read_text() + "node-4,node-1\nnode-1,node-4\n")
    with pytest.raises(BadInput, match="changed"):
        stream.run(small(*links), tmp_path / "run")


def test_another_configuration_needs_another_folder(tmp_path: Path) -> None:
    stream.run(small("seeds=[0]"), tmp_path / "run")
    with pytest.raises(BadInput, match="another configuration"):
        stream.run(small("seeds=[1]"), tmp_path / "run")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("compare=['fedavgg']", "did you mean 'fedavg'"),
        ("mri.hospitals=3", "exactly one of"),
        ("seeds=[]", "seeds"),
        ("detectors=['adwim']", "adwin"),
        ("methods.mine.learner='fine-tun'", "fine-tune"),
        ("gossip.topology='places'", "table.places"),
        ("methods={'../mine' = {}}", "letters, digits"),
        ("gossip.seed=-1", "gossip.seed' must be 0 or more"),
        ("gossip.probability=1.5", "gossip.probability' must be at most 1"),
        ("training.rate=2", "training.rate' must be at most 1"),
        ("methods.mine={learner='window', options={steps=-2}}", "options.steps: 0 or more"),
        ("gossip={method='epidemic', options={peers=0}}", "'epidemic': 'gossip.options.peers'"),
        ("gossip={method='neighbour-trimmed-mean'}", "no node receives from more than 2"),
        (
            "methods.k={exchange='server', strategy='krum', strategy_options={keep=0}}",
            "keep' must be 1",
        ),
        ("methods.k={exchange='server', strategy='fedbuff'}", "does not wait for all sites"),
        ("methods.k={learner='der++', options={alpha=-5}}", "alpha and beta: 0 or more"),
        ("mri.at=40", "mri.at: a step from 1 to 11"),
        ("mri.hospitals=-2", "hospitals' must be 0 or more"),
        ("mri.patients=7", r"\[mri\] has an effect only where mri.hospitals is set"),
        ("table.step=3", r"\[table\] has an effect only where table.files"),
    ],
)
def test_bad_configurations_are_refused(tmp_path: Path, given: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        stream.run(small("seeds=[0]", given), tmp_path / "run")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("stream_*.toml")), ids=lambda p: p.stem)
def test_every_example_is_a_configuration_and_runs_where_it_needs_no_files(
    path: Path, tmp_path: Path
) -> None:
    config = load_config(StreamConfig, path, ["training.rounds=2", "training.local_steps=1"])
    assert config.all_methods
    if config.table.files or config.sites.steps:
        return
    in_one = replace(config, sites=SitesConfig())
    small = replace(in_one, compare=("gossip",), seeds=(0,), hidden=2)
    found = stream.run(small, tmp_path / "run")
    assert found.simulated
    assert found.rows.changed.any()
    assert found.rows.accuracy.between(0, 1).all()
