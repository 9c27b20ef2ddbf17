"""``flame simulate``: simulated hospitals as DICOM folders, and their true tumours."""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pandas as pd

from flame.core.config import as_toml
from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.core.progress import Progress, silent
from flame.core.registry import nearest
from flame.pipelines.parallel import in_parallel


@dataclass(frozen=True)
class SimulateConfig:
    """Settings of a simulation.

    Args:
        out: new folder.
        centres: number of hospitals.
        patients: patients per hospital.
        spacing: voxel size of the scanners in mm, from 0.5 to 6.
        seed: random seed.
        imaging_days: days from the start of radiotherapy in rising order; the first is before it.
        jobs: number of parallel processes.
        planning: images on which radiotherapy is planned: mr, ct, ct-registered (with a Spatial
            Registration object), or mixed: the hospitals do ct, mr and ct-registered in turn.
        pseudoprogression: whether some tumours seem to grow after radiotherapy and then recede.
        lifelike: whether temozolomide follows radiotherapy, and contours differ between readers.
    """

    out: str
    centres: int = 3
    patients: int = 8
    spacing: float = 2.0
    seed: int = 0
    imaging_days: tuple[int, ...] = (-10, 75, 165)
    jobs: int = 2
    planning: str = "mixed"
    pseudoprogression: bool = False
    lifelike: bool = False


def centre_names(centres: int) -> list[str]:
    """Return the names of simulated hospitals: centre-1, centre-2, ..."""
    return [f"centre-{n + 1}" for n in range(centres)]


def run(config: SimulateConfig, progress: Progress = silent) -> Path:
    """Write ``out/<centre>/dicom``, ``out/<centre>/clinical.tsv`` and ``out/truth/<centre>``.

    The same seed gives the same bytes, whatever the number of processes.

    Args:
        config: settings of the simulation.
        progress: called with patients done and the total.

    Returns:
        The folder ``out``.

    Raises:
        BadInput: a setting is out of range, or ``out`` holds other files or another simulation.
    """
    from flame.simulation.hospital import SimulatedPatient, planning_of, simulate_patient

    _check(config)
    out = Path(config.out)
    names = centre_names(config.centres)
    work = list(product(range(config.centres), range(config.patients)))
    write_text(out / "simulate.toml", _settings(config))
    finished: dict[int, list[SimulatedPatient]] = {c: [] for c in range(config.centres)}
    arguments = [
        (
            out / names[c] / "dicom",
            out / "truth" / names[c],
            c,
            p,
            config.spacing,
            config.imaging_days,
            config.seed,
            planning_of(c, config.planning),
            config.pseudoprogression,
            config.lifelike,
        )
        for c, p in work
    ]
    results = in_parallel(simulate_patient, arguments, config.jobs)
    for done, ((centre, _), patient) in enumerate(zip(work, results, strict=True), 1):
        finished[centre].append(patient)
        progress(done, len(work))
    for centre, patients in finished.items():
        for path, rows in (
            (out / names[centre] / "clinical.tsv", [p.clinical for p in patients]),
            (out / "truth" / names[centre] / "truth.tsv", [p.truth for p in patients]),
        ):
            write_text(path, pd.DataFrame(rows).to_csv(sep="\t", index=False))
    return out


def _settings(config: SimulateConfig) -> str:
    """Return the settings that determine the bytes, without folder and number of processes."""
    return as_toml(replace(config, out="", jobs=1))


def _check(config: SimulateConfig) -> None:
    out = Path(config.out)
    if config.centres < 1 or config.patients < 1:
        raise BadInput("simulate needs at least one centre and one patient")
    if not 0.5 <= config.spacing <= 6:
        raise BadInput(f"--spacing {config.spacing}: choose a spacing from 0.5 to 6 mm")
    choices = ["mr", "ct", "ct-registered", "mixed"]
    if config.planning not in choices:
        raise BadInput(f"unknown planning '{config.planning}': {nearest(config.planning, choices)}")
    days = config.imaging_days
    if not days or min(days) >= 0 or list(days) != sorted(set(days)):
        raise BadInput("imaging_days must rise and start before day 0, for example [-10, 75]")
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; give a folder")
    if out.exists() and any(out.iterdir()):
        known = out / "simulate.toml"
        if not known.exists() or known.read_text(encoding="utf-8") != _settings(config):
            raise BadInput(f"{out} holds something else than this simulation; give a new folder")
