"""``flame replan``: plans of a patient for several radiations, as DICOM; not for treatment."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np

from flame.core.errors import BadInput, FlameError
from flame.core.treatment import Phase, Radiation
from flame.planning import pyradplan
from flame.planning.inputs import PlanningInputs, planning_inputs
from flame.planning.objects import write_plan

INSTALL = (
    'ENV/bin/pip install --no-deps pyRadPlan==0.5.0 && ENV/bin/pip install "numpy<2.4" '
    '"pydantic<2.13" "numpydantic>=1.6.9,<2" scipy SimpleITK pydicom h5py pymatreader '
    "pydantic-settings array-api-compat array-api-strict array-api-extra pint regex jinja2 tqdm "
    "matplotlib"
)
"""Commands that install pyRadPlan into an environment of its own."""
LEAST_D95, MOST_D2 = 0.95, 1.07
"""Dose goals, as shares of the prescription: the range of ICRU Report 50."""


@dataclass(frozen=True)
class ReplanConfig:
    """Settings of new plans.

    Args:
        patient: folder of one patient's DICOM files, with the planning CT and its contours.
        out: new folder; it gets a folder per radiation.
        python: Python of the environment that has pyRadPlan.
        radiations: radiations to plan.
        gy: prescribed dose in Gy, RBE-weighted for ions.
        fractions: number of fractions.
    """

    patient: str
    out: str
    python: str
    radiations: tuple[Radiation, ...] = tuple(Radiation)
    gy: float = 60.0
    fractions: int = 30


@dataclass(frozen=True)
class Planned:
    """One plan.

    Args:
        radiation: its radiation.
        goals: dose goals, see ``pyradplan.goals``.
    """

    radiation: Radiation
    goals: dict[str, float]

    @property
    def met(self) -> bool:
        """Whether 95 % of the target get 95 % of the dose, and 2 % at most 107 %."""
        return self.goals["D95"] >= LEAST_D95 and self.goals["D2"] <= MOST_D2


def run(config: ReplanConfig, show: Callable[[str], None] = lambda line: None) -> list[Planned]:
    """Plan a patient for each radiation; write images, contours, plan and dose to OUT/RADIATION.

    Args:
        config: settings.
        show: called with the radiation that is planned.

    Returns:
        The plans.

    Raises:
        BadInput: the folder lacks a CT or contours, OUT exists, or PYTHON has no pyRadPlan.
        FlameError: pyRadPlan failed.
    """
    out, patient = Path(config.out).resolve(), Path(config.patient).resolve()
    if out.exists():
        raise BadInput(f"{out} exists; give a new folder")
    if out.is_relative_to(patient):
        raise BadInput(f"{out} lies inside the DICOM folder; give a folder outside it")
    try:
        Phase(Radiation.PHOTON, config.gy, config.fractions)
    except ValueError as error:
        raise BadInput(f"{config.gy:g} Gy in {config.fractions} fractions: {error}") from None
    _check_environment(config.python)
    inputs = planning_inputs(patient)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    found = []
    try:
        with TemporaryDirectory() as work:
            inputs.write(Path(work))
            for radiation in dict.fromkeys(config.radiations):
                show(str(radiation))
                found.append(_one(config, Path(work), inputs, radiation, partial))
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def _one(
    config: ReplanConfig, work: Path, inputs: PlanningInputs, radiation: Radiation, out: Path
) -> Planned:
    """Make one plan and write the patient with it."""
    script = [config.python, pyradplan.__file__, str(work), str(radiation)]
    asked = [*script, str(config.gy), str(config.fractions)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FlameError(f"pyRadPlan made no {radiation} plan: {last}")
    target = out / str(radiation)
    shutil.copytree(
        config.patient,
        target,
        ignore=lambda folder, names: [
            n for n in names if Path(folder, n).resolve() in inputs.replaced
        ],
    )
    biological = radiation is not Radiation.PHOTON
    phase = Phase(radiation, config.gy, config.fractions, biological=biological)
    grids = {kind: work / f"{radiation}_{kind}.nii.gz" for kind in ("dose", "let")}
    maps = {
        kind: np.maximum(nib.load(path).get_fdata(dtype=np.float32), 0)
        for kind, path in grids.items()
        if path.exists()
    }
    write_plan(target, inputs, phase, maps)
    return Planned(radiation, json.loads((work / f"{radiation}.json").read_text()))


def _check_environment(python: str) -> None:
    """Check that a Python has pyRadPlan."""
    try:
        asked = [python, "-c", "import pyRadPlan"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BadInput(f"{python} is no Python ({error.strerror})") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BadInput(
            f"{python} cannot import pyRadPlan ({last}); make an environment of its own with "
            f"python3.12 -m venv ENV, and then {INSTALL}"
        )
