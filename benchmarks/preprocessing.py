"""A four-sequence case to MNI 1 mm: CPU time of each stage, peak memory, and a cohort's throughput.

    python benchmarks/preprocessing.py DATA [--quick] [--brainles PYTHON --atlas FILE]

FLAME and plain SimpleITK run the same stages with equal degrees of freedom on the same real case
(TCGA-DU-7294, slices of 2.5 and 5 mm, skull-stripped), each in a new process. With --brainles (an
interpreter that has brainles-preprocessing 0.6.14 and picsl_greedy), its rigid co-registration and
atlas registration by greedy run on the case, too; FLAME's atlas registration is rigid, then affine.
The cohort is simulated: wall time with 2 processes against CPU time. Whole-head brain extraction is
timed on the real T1 of heads/.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from result_line import add_quick, print_result_line

FILES = {"T1": "t1", "T1C": "t1c", "T2": "t2", "FLAIR": "fla"}
"""End of the file name by sequence."""
QUICK_FILES = ("T1", "T1C")
"""Sequences of --quick."""
METHODS = ("flame", "simpleitk")
REPEATS = 5


def cpu() -> float:
    """Return the user and system seconds of this process and its ended children."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    times = os.times()
    return usage.ru_utime + usage.ru_stime + times.children_user + times.children_system


def read(case: Path, sequence: str) -> Any:
    """Return the scan of a sequence; a function of its own, so that no copy of it stays."""
    import nibabel as nib
    import numpy as np

    from flame.core.imaging import Scan, Sequence

    image = nib.load(case / f"TCGA-DU-7294_hdbet_native_{FILES[sequence]}.nii.gz")
    voxels = image.get_fdata(dtype=np.float32)
    return Scan(voxels, np.asarray(image.affine, float), Sequence(sequence))


def worker(method: str, case: Path, quick: bool) -> dict[str, float]:
    """Run one case in this process; return CPU seconds of each stage and peak memory in GB."""
    from dataclasses import replace

    from flame.core.cohort import Timepoint
    from flame.core.imaging import STRUCTURAL
    from flame.io.bids import SessionFiles, write_session
    from flame.preprocessing.config import StageConfig, stages

    config = StageConfig()
    if method == "simpleitk":
        config = replace(config, bias_field="simpleitk", registration="simpleitk")
    chain = stages(config)
    seconds = {"imports": cpu()}

    def lap(name: str, start: float) -> None:
        seconds[name] = seconds.get(name, 0) + cpu() - start

    start = cpu()
    names = [s for s in STRUCTURAL if not quick or s in QUICK_FILES]
    day = Timepoint(0, {s: read(case, s) for s in names})
    lap("read and write", start)
    for stage in chain:
        start = cpu()
        day = stage(day)
        lap(stage.name, start)
    start = cpu()
    with tempfile.TemporaryDirectory() as out:
        write_session(Path(out), "a", "01", SessionFiles(day), {})
    lap("read and write", start)
    seconds["total"] = cpu()
    seconds["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return seconds


def brain(head: Path) -> dict[str, float]:
    """Return the CPU seconds of brain extraction of a whole head: first and further call."""
    import nibabel as nib
    import numpy as np

    from flame.core.imaging import Scan, Sequence
    from flame.preprocessing.stages.deepbet_brain import deepbet_brain

    image = nib.load(head)
    scan = Scan(image.get_fdata(dtype=np.float32), np.asarray(image.affine, float), Sequence.T1)
    start = cpu()
    deepbet_brain(scan)
    first = cpu() - start
    start = cpu()
    deepbet_brain(scan)
    return {"first volume": first, "further volume": cpu() - start}


def fresh(*arguments: str, python: str = sys.executable) -> dict[str, float]:
    """Run this file as a worker in a process of its own, on one thread of linear algebra."""
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, __file__, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **threads},
    )
    return json.loads(done.stdout.splitlines()[-1])


def float32(case: Path, name: str, out: Path) -> str:
    """Write a copy of a sequence as float32, which greedy requires; return its path."""
    import nibabel as nib

    image = nib.load(case / f"TCGA-DU-7294_hdbet_native_{FILES[name]}.nii.gz")
    path = out / f"{name}-input.nii.gz"
    nib.save(nib.Nifti1Image(image.get_fdata().astype("float32"), image.affine), path)
    return str(path)


def brainles(case: Path, atlas: str) -> dict[str, float]:
    """Run the rigid registrations of brainles-preprocessing by greedy; return CPU seconds by stage.

    The preprocessor of the package passes greedy a path that greedy refuses, so the registrator is
    called directly.
    """
    import contextlib

    from brainles_preprocessing.registration import GreedyRegistrator

    seconds = {"imports": cpu()}
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(sys.stderr):
        paths = {name: float32(case, name, Path(out)) for name in FILES}

        def register(stage: str, fixed: str, moving: str) -> None:
            start = cpu()
            GreedyRegistrator().register(fixed, moving, f"{out}/moved.nii.gz", f"{out}/found.mat")
            seconds[stage] = seconds.get(stage, 0) + cpu() - start

        for name in ("T1", "T2", "FLAIR"):
            register("coregistration", paths["T1C"], paths[name])
        register("atlas_registration", atlas, paths["T1C"])
    seconds["total"] = cpu()
    seconds["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return seconds


def cohort(patients: int) -> dict[str, float]:
    """Preprocess simulated days by 2 processes; return wall and CPU seconds, and their ratio."""
    from flame.pipelines import preprocess, simulate

    with tempfile.TemporaryDirectory() as root:
        out = Path(root)
        simulate.run(simulate.SimulateConfig(f"{out}/h", 1, patients, 2.0, 0, (-10, 75), 2))
        started = time.perf_counter()
        used_before = cpu()
        result = preprocess.run(
            preprocess.PreprocessConfig(f"{out}/h/centre-1/dicom", f"{out}/bids", jobs=2)
        )
        wall = time.perf_counter() - started
        used = cpu() - used_before
    done = sum(r.status == "done" for r in result.studies)
    return {"days": done, "wall s": wall, "CPU s": used, "processors used of 2": used / wall}


def median(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {k: sorted(r[k] for r in rows)[len(rows) // 2] for k in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    add_quick(parser, "T1 and T1C, rigid to the atlas, one run each, no cohort")
    parser.add_argument("--brainles", help="interpreter that has brainles-preprocessing")
    parser.add_argument("--atlas", help="template for brainles-preprocessing")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    case = arguments.data / "imaging/tcga_DU-7294/stripped_native"
    head = arguments.data / "heads/t1_crop.nii.gz"
    if arguments.worker:
        work = {"brain": lambda: brain(head), "brainles": lambda: brainles(case, arguments.atlas)}
        run = work.get(arguments.worker, lambda: worker(arguments.worker, case, arguments.quick))
        print(json.dumps(run()))
        return
    data = [str(arguments.data)]
    repeats = REPEATS
    if arguments.quick:
        data = [*data, "--quick"]
        repeats = 1
    fresh(
        *data, "--worker", "flame"
    )  # compiles once, as a user's cache is filled after the first run
    figures = {
        m: median([fresh(*data, "--worker", m) for _ in range(1 if m != "flame" else repeats)])
        for m in METHODS
    }
    figures["brain extraction"] = median(
        [fresh(*data, "--worker", "brain") for _ in range(repeats)]
    )
    if arguments.brainles:
        extra = ("--worker", "brainles", "--atlas", arguments.atlas)
        figures["brainles-preprocessing"] = fresh(*data, *extra, python=arguments.brainles)
    if not arguments.quick:
        figures["cohort"] = cohort(5)
    for name, row in figures.items():
        print(f"{name:24}", "  ".join(f"{k} {v:.2f}" for k, v in row.items()))
    ratio = figures["simpleitk"]["total"] / figures["flame"]["total"]
    print(f"SimpleITK takes {ratio:.1f} times the CPU time of FLAME")
    print(json.dumps({"unit": "CPU-s", "ratio": ratio, "runs": repeats, "figures": figures}))
    headline = {
        "SimpleITK's CPU time over FLAME's": ratio,
        "brainles-preprocessing": {"total": None, "peak GB": None},
        **figures,
    }
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()
