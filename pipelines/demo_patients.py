"""The patients of ``flame demo``: a few through DICOM, more as preprocessed folders."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from flame.core.errors import FlameError
from flame.core.files import write_text
from flame.core.progress import StageProgress, of_stage
from flame.evaluation.pages.index_page import Step
from flame.pipelines import inspect, preprocess, simulate
from flame.pipelines.parallel import in_parallel
from flame.pipelines.timing import Timing
from flame.preprocessing.config import StageConfig


@dataclass(frozen=True)
class DemoPatients:
    """Size of the simulation.

    Args:
        centres: number of hospitals.
        scanned: patients per hospital that are simulated as DICOM.
        more: further patients per hospital, as preprocessed folders.
        spacing: voxel size of the scanners in mm.
        imaging_days: days from the start of radiotherapy; the first is before it.
        seed: random seed.
    """

    centres: int = 3
    scanned: int = 3
    more: int = 21
    spacing: float = 3.0
    imaging_days: tuple[int, ...] = (-10, 30, 165)
    seed: int = 0


@dataclass(frozen=True)
class Prepared:
    """What was made of the patients.

    Args:
        preprocessed: folder of the hospitals whose patients were scanned.
        bids: folder of the hospitals with all their patients.
        steps: steps for the index page.
    """

    preprocessed: Path
    bids: Path
    steps: tuple[Step, ...]


def prepare(
    out: Path, patients: DemoPatients, jobs: int, timing: Timing, progress: StageProgress
) -> Prepared:
    """Simulate, inspect and preprocess; what exists already is kept.

    Args:
        out: folder of the demonstration.
        patients: size of the simulation.
        jobs: number of parallel processes.
        timing: collects the time of each stage.
        progress: called with the stage, its steps done and their total.

    Returns:
        Folders of the hospitals, and steps for the index page.

    Raises:
        FlameError: a day could not be preprocessed.
    """
    names = simulate.centre_names(patients.centres)
    hospitals, preprocessed, bids = out / "hospitals", out / "preprocessed", out / "bids"

    with timing.stage("simulate"):
        if not (hospitals / "truth" / names[-1] / "truth.tsv").exists():
            simulate.run(_simulation(hospitals, patients, jobs), of_stage(progress, "simulate"))
    with timing.stage("inspect"):
        inspected = []
        for number, name in enumerate(names, 1):
            inspected.append(inspect.run(hospitals / name / "dicom")[1])
            of_stage(progress, "inspect")(number, len(names))
    with timing.stage("preprocess"):
        # The patients are simulated: a fixed key gives the same names and folds in every run.
        key = out / "pseudonyms.key"
        if not key.exists():
            write_text(key, f"demonstration {patients.seed:016d}", private=True)
        for name in names:
            _preprocess(
                hospitals / name,
                preprocessed / name,
                key,
                jobs,
                of_stage(progress, f"preprocess {name}"),
            )
    with timing.stage("more patients"):
        _add_patients(preprocessed, bids, patients, jobs, of_stage(progress, "more patients"))
    return Prepared(
        preprocessed,
        bids,
        (_came_in(names, inspected), _quality(preprocessed, names, patients)),
    )


def _simulation(out: Path, patients: DemoPatients, jobs: int) -> simulate.SimulateConfig:
    return simulate.SimulateConfig(
        str(out),
        patients.centres,
        patients.scanned,
        patients.spacing,
        patients.seed,
        patients.imaging_days,
        jobs,
        pseudoprogression=True,
        lifelike=True,
    )


def _preprocess(
    hospital: Path, out: Path, key: Path, jobs: int, progress: Callable[[int, int], None]
) -> None:
    config = preprocess.PreprocessConfig(
        str(hospital / "dicom"),
        str(out),
        StageConfig(spacing=2.0),
        jobs,
        str(hospital / "clinical.tsv"),
        key=str(key),
    )
    failed = [r for r in preprocess.run(config, progress).studies if r.status == "failed"]
    if failed:
        raise FlameError(f"{hospital.name}: {len(failed)} days failed; {failed[0].note}")


def _add_patients(
    preprocessed: Path,
    bids: Path,
    patients: DemoPatients,
    jobs: int,
    progress: Callable[[int, int], None],
) -> None:
    """Link the preprocessed patients into ``bids`` and simulate the others there."""
    from flame.simulation.derivatives import SimulatedSubject, simulate_subject, write_tables

    names = simulate.centre_names(patients.centres)
    if all((bids / name / "participants.tsv").exists() for name in names):
        return
    shutil.rmtree(bids, ignore_errors=True)
    for name in names:
        ignored = shutil.ignore_patterns(".*.partial", ".cache", ".lock", "participants.tsv")
        shutil.copytree(preprocessed / name, bids / name, ignore=ignored, copy_function=os.link)
    numbers = range(patients.scanned, patients.scanned + patients.more)
    work = list(product(range(patients.centres), numbers))
    arguments = [
        (bids / names[c], c, n, patients.imaging_days, patients.seed, True, True) for c, n in work
    ]
    made: dict[str, list[SimulatedSubject]] = {name: [] for name in names}
    for done, ((centre, _), subject) in enumerate(
        zip(work, in_parallel(simulate_subject, arguments, jobs), strict=True), 1
    ):
        made[names[centre]].append(subject)
        progress(done, len(work))
    for name, subjects in made.items():
        write_tables(bids / name, preprocessed / name, subjects)


def _came_in(names: list[str], inspected: list[list[inspect.InspectRow]]) -> Step:
    rows = []
    for name, found in zip(names, inspected, strict=True):
        verdicts = [row.verdict for row in found]
        refused = verdicts.count("refused")
        radiotherapy = [r.series for r in found if r.verdict == "radiotherapy"]
        rows.append(
            [
                name,
                str(len({row.patient for row in found})),
                str(len({row.day for row in found if row.verdict != "radiotherapy"})),
                str(len(verdicts) - refused - len(radiotherapy)),
                str(refused),
                str(len(radiotherapy)),
            ]
        )
    return Step(
        "inspect",
        "What came in",
        "DICOM folders of hospitals with different scanners. One plans on CT, one on MRI, one on "
        "CT with a registration object. flame inspect says what each series is taken as, and why "
        "the others are refused.",
        {},
        ["hospital", "patients", "dates", "series taken", "refused", "radiotherapy objects"],
        rows,
    )


def _quality(preprocessed: Path, names: list[str], patients: DemoPatients) -> Step:
    rows = []
    for name in names:
        table = pd.read_csv(preprocessed / name / "quality.tsv", sep="\t")
        counts = table.quality.value_counts()
        cells = (str(counts.get(word, 0)) for word in ("pass", "review", "fail"))
        rows.append([name, str(len(table)), *cells, str(patients.more)])
    return Step(
        "quality",
        "Quality of every day",
        "Each day on one grid, with contours and dose. Look at whether the outlines of brain and "
        "tumour fit, and at the days marked for review.",
        {f"Quality of {name}": preprocessed / name / "quality.html" for name in names},
        ["hospital", "days", "pass", "review", "fail", "further patients without images"],
        rows,
    )
