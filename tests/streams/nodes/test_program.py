"""The program of a node: killed after a step it goes on from there, to the bit."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.federation.mailbox import Mailbox, Neighbours
from flame.federation.run_files import DRIFT, RESULT_FILE
from flame.streams.config import StreamConfig
from flame.streams.nodes.program import NodeProgram, node_program, server_program, steps_file
from flame.streams.sources.schedules import ScheduleConfig
from flame.streams.sources.synthetic import SyntheticConfig

CONFIG = StreamConfig(
    synthetic=SyntheticConfig("sine", samples=30),
    schedule=ScheduleConfig(nodes=2, steps=4, at=(2,), order=(0, 1)),
    compare=("local",),
    seeds=(0, 1),
)


class Killed(Exception):
    """Stands for a power cut."""


def ran(program: NodeProgram, begin: int, until: int) -> None:
    def progress(done: int, total: int) -> None:
        assert total == 4
        if done == until:
            raise Killed

    alone = Neighbours(Mailbox(), lambda *_: False, (1.0, 1.0))
    program.run(begin, alone, lambda *_: None, progress)


@pytest.mark.parametrize("until", [1, 3, 4])
def test_a_killed_program_goes_on_from_its_last_step(tmp_path: Path, until: int) -> None:
    ran(node_program(CONFIG.to_json(), "node-1", tmp_path / "whole"), 0, -1)
    with pytest.raises(Killed):
        ran(node_program(CONFIG.to_json(), "node-1", tmp_path / "cut"), 0, until)
    again = node_program(CONFIG.to_json(), "node-1", tmp_path / "cut")
    assert again.positions()[-1] == until
    ran(again, until, -1)
    for method in ("majority", "local"):
        for seed in (0, 1):
            tables = [
                pd.read_csv(steps_file(tmp_path / name, method, seed)) for name in ("whole", "cut")
            ]
            pd.testing.assert_frame_equal(*tables)


def test_a_killed_program_goes_on_watching_what_arrives(tmp_path: Path) -> None:
    """The share of positive features moves in step 2."""
    moved = replace(CONFIG, synthetic=replace(CONFIG.synthetic, drift="covariate", samples=200))
    ran(node_program(moved.to_json(), "node-1", tmp_path / "whole"), 0, -1)
    with pytest.raises(Killed):
        ran(node_program(moved.to_json(), "node-1", tmp_path / "cut"), 0, 1)
    program = node_program(moved.to_json(), "node-1", tmp_path / "cut")
    ran(program, 1, -1)
    whole, cut = (pd.read_csv(tmp_path / name / DRIFT) for name in ("whole", "cut"))
    assert whole.step.tolist() == [2]
    pd.testing.assert_frame_equal(whole, cut)
    assert "subjects" not in program.results()[DRIFT]
    assert all(re.fullmatch(RESULT_FILE, name) for name in program.results())  # none is dropped


def test_a_node_that_comes_back_passes_the_steps_that_it_missed(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        ran(node_program(CONFIG.to_json(), "node-1", tmp_path), 0, 1)
    ran(node_program(CONFIG.to_json(), "node-1", tmp_path), 3, -1)
    rows = pd.read_csv(steps_file(tmp_path, "local", 0))
    assert rows.step.tolist() == [3]
    assert np.load(tmp_path / "models" / "local.seed-0.npy").ndim == 1


def test_a_server_has_work_only_where_a_method_has_one(tmp_path: Path) -> None:
    assert not server_program(CONFIG.to_json(), tmp_path).serves
