"""Time and memory of every command, and what it writes to stderr.

    python benchmarks/commands.py

For each command: the help, an answer to a path that does not exist, and where it needs no other
process a whole run on a small simulated example. Lines of stderr that are not progress or warnings
of FLAME are counted as foreign.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from result_line import add_quick, print_result_line

OWN = re.compile(r"^(Warning: |[\w ,.'-]+: \d+ of \d+|\s*$|preprocess |inspect|centre )")
"""Lines of stderr that FLAME writes: progress and warnings."""
MISSING = {
    "simulate": ("x", "--patients", "-1"),
    "inspect": ("nowhere",),
    "preprocess": ("nowhere", "x"),
    "import": ("upenn", "nowhere", "x"),
    "harmonise": ("nowhere", "x"),
    "assess": ("nowhere",),
    "provision": ("nowhere.toml", "x"),
    "serve": ("nowhere",),
    "join": ("nowhere", "--data", "nowhere"),
    "submit": ("nowhere.toml", "--kit", "k", "--out", "x"),
    "status": ("nowhere",),
    "train": ("nowhere.toml", "--out", "x"),
    "evaluate": ("nowhere",),
    "monitor": ("nowhere",),
    "describe": ("nowhere.toml", "--out", "x"),
    "segment": ("nowhere", "nowhere"),
    "export": ("nowhere", "--out", "x"),
    "predict": ("nowhere", "table.csv", "--out", "x"),
    "validate": ("nowhere", "table.csv", "--out", "x"),
    "examples": ("x", "--simulated", "nothing"),
    "demo": ("--table", "nowhere.csv"),
    "stream": ("nowhere.toml", "--out", "x"),
}
"""A wrong call of every command."""
RUNS = (
    ("train", "train.toml", "--out", "run"),
    ("evaluate", "run"),
    ("export", "run", "--out", "model"),
    ("predict", "model", "table.csv", "--out", "predicted"),
    ("validate", "model", "table.csv", "--out", "validated"),
    ("describe", "train.toml", "--out", "described"),
    ("monitor", "run"),
    ("stream", "stream.toml", "--out", "stream"),
    ("examples", "copied"),
    ("simulate", "hospitals", "--centres", "1", "--patients", "1", "--spacing", "4"),
    ("inspect", "hospitals/centre-1/dicom"),
    ("preprocess", "hospitals/centre-1/dicom", "bids", "--spacing", "4"),
    ("assess", "bids"),
)
"""A whole run of a command, on what those before it have written."""
TRAIN = (
    '[data]\ntable = "table.csv"\nid_column = "subject"\n\n[model]\nclinical = ["age", "volume"]\n'
)
STREAM = 'compare = ["local", "gossip"]\n\n[mri]\nhospitals = 3\npatients = 8\nsteps = 3\nat = 1\n'


@dataclass(frozen=True)
class Call:
    """What one call took and wrote: wall and CPU time in s, memory in MB, lines, exit status."""

    wall: float
    cpu: float
    mb: float
    stderr: list[str]
    status: int

    @property
    def foreign(self) -> int:
        """Number of lines of stderr that FLAME did not write."""
        return sum(not OWN.match(line) for line in self.stderr)


def called(folder: Path, *arguments: str) -> Call:
    """Call a command in a folder."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "flame", *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    lines = process.stderr.read().splitlines()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    cpu = used.ru_utime + used.ru_stime
    return Call(wall, cpu, used.ru_maxrss / 1024, lines, os.waitstatus_to_exitcode(status))


def example(folder: Path) -> None:
    """Write a small table and the configurations that use it."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"subject": [f"p{n}" for n in range(60)], "centre": ["a", "b"] * 30})
    table = table.assign(age=rng.normal(60, 9, 60).round(), volume=rng.normal(20, 5, 60).round(1))
    table = table.assign(response=(table.age + rng.normal(0, 8, 60) > 60).astype(int))
    table.to_csv(folder / "table.csv", index=False)
    (folder / "train.toml").write_text(TRAIN)
    (folder / "stream.toml").write_text(STREAM)


def main() -> None:
    """Call everything, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_quick(parser, "help and wrong calls only")
    quick = parser.parse_args().quick
    figures: dict[str, dict[str, float]] = {}
    runs = {run[0]: run for run in RUNS}
    head = "| command | help, CPU-s | wrong call, CPU-s | run, s | MB | foreign lines |"
    print(head, re.sub(r"[^|]+", "---", head), sep="\n")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        example(folder)
        order = [*runs, *(name for name in MISSING if name not in runs)]
        for name in order:
            told, wrong = called(folder, name, "--help"), called(folder, name, *MISSING[name])
            row = {"help": told.cpu, "wrong": wrong.cpu, "foreign": float(told.foreign)}
            cells = [f"{told.cpu:.2f}", f"{wrong.cpu:.2f}", "", "", str(told.foreign)]
            if name in runs and not quick:
                run = called(folder, *runs[name])
                assert run.status == 0, (name, run.stderr)
                row |= {"run": run.wall, "MB": run.mb, "foreign": float(run.foreign)}
                cells[2:] = [f"{run.wall:.1f}", f"{run.mb:.0f}", str(run.foreign)]
                if run.foreign:
                    print([line for line in run.stderr if not OWN.match(line)], file=sys.stderr)
            figures[name] = row
            print("|", " | ".join([f"`flame {name}`", *cells]), "|", flush=True)
    print_result_line(__file__, quick, figures)


if __name__ == "__main__":
    main()
