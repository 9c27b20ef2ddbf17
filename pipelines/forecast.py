"""Forecast of a patient's tumour under each radiation, and of the response."""

import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from flame.bundles.model import Model, open_model
from flame.core.cohort import Cohort, Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.files import check_free, write_text
from flame.core.progress import Progress, silent
from flame.core.registry import nearest
from flame.core.treatment import Phase, Radiation, Treatment
from flame.pipelines.compared_plans import folders, with_plan

if TYPE_CHECKING:
    from flame.core.cohort import View
    from flame.core.imaging import Scan
    from flame.evaluation.pages.forecast import Prediction
    from flame.models.evolution.mechanistic import Mechanistic
    from flame.models.evolution.model import EvolutionCase
    from flame.preprocessing.cohort.source_series import SourceSeries

PAGE = "prediction.html"
"""Name of the page in the output folder, which also marks the folder as one of this command."""


@dataclass(frozen=True)
class ForecastConfig:
    """Settings of a forecast.

    Args:
        model: folder of a run on evolution, or a bundle of one.
        subject: folder ``sub-..`` of a preprocessed centre.
        out: new folder, or one of an earlier prediction, which is replaced.
        radiations: radiations to forecast; empty: all where they can be compared.
        courses: courses of the hospital's own protocols, such as ``carbon=57.6/16`` (Gy(RBE) and
            fractions); radiations without one get the planned doses and fractions.
        plans: folders of the same patient preprocessed with another plan, such as
            ``proton=OTHER/sub-1``; their doses are compared, and not a scaled one.
        landmark: forecast from the last tumour mask up to this day from the start of radiotherapy,
            with all images until then; None: from the last one before radiotherapy.
        days: days from the start of radiotherapy; empty: every 30 days, and the last day until
            which a training patient was followed.
        response: folder of a run on response, or a bundle; None: no probability of response.
        dicom: DICOM folder of the hospital, to write SEG files; None: no SEG files.
        key: pseudonym key of the hospital; None: DICOM.key next to the DICOM folder.
    """

    model: str
    subject: str
    out: str
    radiations: tuple[str, ...] = ()
    courses: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    landmark: int | None = None
    days: tuple[int, ...] = ()
    response: str | None = None
    dicom: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class ForecastResult:
    """Result of a forecast.

    Args:
        volumes: median and 90 % interval of the volume in ml, one row per radiation and day.
        response: probability of response; None without a run on response.
        warnings: warnings to show.
        html: path of the page.
        segmentations: paths of the SEG files.
    """

    volumes: pd.DataFrame
    response: float | None
    warnings: tuple[str, ...]
    html: Path
    segmentations: tuple[Path, ...]


def run(config: ForecastConfig, progress: Progress = silent) -> ForecastResult:
    """Forecast a patient; write maps (NIfTI), volumes (TSV), SEG files and prediction.html.

    Args:
        config: settings of the prediction.
        progress: called with forecasts done and the total.

    Returns:
        Volumes, probability of response, warnings, and paths.

    Raises:
        BadInput: an input is missing, such as a tumour mask, a plan or a dose where the model or
            a comparison needs it, or a day lies beyond the days of training.
    """
    from flame.evaluation.pages.forecast import write_maps, write_segmentations
    from flame.evaluation.pages.forecast_page import render

    out = Path(config.out).resolve()
    root, name = _subject(Path(config.subject))
    _check_free(out, config.dicom)
    prediction, source = _predict(config, root, name, progress)
    partial = out.with_name(f".{out.name}.partial")  # after an error, out is unchanged
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        write_maps(partial, prediction)
        if source:
            write_segmentations(partial, prediction, source)
        write_text(partial / PAGE, render(prediction))
        shutil.rmtree(out, ignore_errors=True)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return ForecastResult(
        prediction.volumes(),
        prediction.response,
        prediction.warnings,
        out / PAGE,
        tuple(sorted(out.glob("seg/*.dcm"))),
    )


def _predict(
    config: ForecastConfig, root: Path, name: str, progress: Progress
) -> tuple["Prediction", "SourceSeries | None"]:
    """Return the forecasts, and the series to which SEG files refer."""
    from flame.evaluation.pages.forecast import Prediction
    from flame.federation.tasks.evolution import NEEDS, EvolutionTask, case_of
    from flame.federation.tasks.registry import task_of
    from flame.models.evolution.cases import course_of
    from flame.models.evolution.counterfactual import main_radiation
    from flame.preprocessing.cohort.tumour_cube import on_cube

    trained = open_model(Path(config.model))
    task = task_of(EvolutionTask, trained.task, Path(config.model))
    courses = _courses(config.courses)
    plans = folders(config.plans)
    if both := [radiation for radiation in plans if radiation in courses]:
        raise BadInput(f"{both[0]} has a course and a plan: give one of them")
    landmark = config.landmark or 0
    cohort = _read_patient(root, name, lambda p: on_cube(replace(p, landmark=landmark)))
    (patient,) = cohort.patients
    case = case_of(patient, cohort.centre)
    affine = next(t.tumour.affine for t in patient.timepoints if t.tumour is not None)
    if config.landmark is not None and case.day > config.landmark:
        raise BadInput(f"sub-{name} has no tumour mask until day {config.landmark}")
    session, baseline = _baseline(root, name, case.day)
    source = _source(config, root, name, session) if config.dicom else None
    model = task.load(*trained.seeds[0])
    if "longest" not in trained.shared:
        raise BadInput(f"{config.model} was trained by an earlier version of FLAME; train it again")
    days = _days(config.days, case.day + int(trained.shared["longest"]), case.day)
    reads_course = bool(NEEDS[task.settings.model])
    cases = _cases(config, case, courses, reads_course)
    if plans:
        cases |= _replanned(case, replace(_raw(root, name), landmark=landmark), plans)
    if plans and not config.radiations:
        planned = main_radiation(case.treatment) if case.treatment else None
        kept = {str(r) for r in (planned, *plans, *courses) if r}
        cases = {label: c for label, c in cases.items() if label in kept}
    forecasts = {}
    for done, (label, compared) in enumerate(cases.items(), 1):
        forecasts[label] = model.forecast(compared, days)
        progress(done, len(cases))
    mechanistic = EvolutionTask.mechanistic(model.model)
    response, relevance = (
        _response(Path(config.response), root, name) if config.response else (None, None)
    )
    again = course_of(patient.treatment, case.day)[2]
    warnings = _warnings(trained, case, tuple(r for r in Radiation if r in cases), baseline)
    if _followed(patient, trained):
        warnings.append(
            "this patient was in training: its forecast is likely to be more accurate than that of "
            "a new patient"
        )
    if config.landmark and not case.is_ahead and trained.shared["radiations"].any():
        warnings.append(
            "training patients were forecast from before radiotherapy, and this one from a later "
            "day: how often the band holds then has not been checked"
        )
    if days[-1] >= again:
        warnings.append(
            f"radiotherapy is given again from day {again}: the forecast knows nothing of it"
        )
    prediction = Prediction(
        name,
        case,
        affine,
        baseline,
        forecasts,
        response,
        tuple(warnings),
        cohort.simulated,
        _parameters(mechanistic, case),
        relevance,
        {label: c.treatment for label, c in cases.items() if c.treatment},
        frozenset(map(str, plans)),
        _calibrated(trained, case),
        {label: c.dose for label, c in cases.items() if c.dose is not None},
    )
    return prediction, source


def _parameters(
    mechanistic: "Mechanistic | None", case: "EvolutionCase"
) -> dict[str, tuple[float, float, float]]:
    """Return the parameters of a patient; no radiosensitivity where no radiotherapy is to come."""
    found = mechanistic.parameters(case) if mechanistic else {}
    return {name: value for name, value in found.items() if name != "alpha" or case.is_ahead}


def _cases(
    config: ForecastConfig,
    case: "EvolutionCase",
    courses: dict[Radiation, Treatment],
    reads_course: bool,
) -> dict[str, "EvolutionCase"]:
    """Return the case under each radiation, or as it is where radiations cannot be compared."""
    from flame.evaluation.pages.forecast import AS_TREATED
    from flame.models.evolution.counterfactual import comparable, under

    if not reads_course:
        if config.radiations or courses or config.plans:
            raise BadInput(
                "this model reads masks and days alone and cannot compare radiations: leave out "
                "--radiation, --course and --plan, or train another evolution.model"
            )
        return {AS_TREATED: case}

    if not comparable(case) and not config.radiations and not courses:
        return {AS_TREATED: case}
    radiations = _radiations(config.radiations or tuple(Radiation))
    unasked = [str(r) for r in courses if r not in radiations]
    if unasked:
        raise BadInput(f"a course is given for {', '.join(unasked)}, which is not in --radiation")
    return {str(r): under(case, r, courses.get(r)) for r in radiations}


def _replanned(
    case: "EvolutionCase", patient: Patient, plans: dict[Radiation, Path]
) -> dict[str, "EvolutionCase"]:
    """Return the case under the plan of each folder."""
    from flame.federation.tasks.evolution import case_of
    from flame.models.evolution.counterfactual import comparable
    from flame.preprocessing.cohort.tumour_cube import on_cube

    cases = {}
    for radiation, folder in plans.items():
        other = with_plan(patient, _raw(*_subject(folder)), radiation)
        cases[str(radiation)] = case_of(on_cube(other), case.centre)
    if not all(map(comparable, (case, *cases.values()))):
        raise BadInput("plans are compared before radiotherapy only, with the patient's own")
    return cases


def _raw(root: Path, name: str) -> Patient:
    """Read a patient with the images as they are, and not on a cube."""
    return _read_patient(root, name, lambda patient: patient).patients[0]


def _courses(texts: tuple[str, ...]) -> dict[Radiation, Treatment]:
    """Read courses such as carbon=57.6/16: Gy, RBE-weighted for ions, and fractions."""
    courses = {}
    for text in texts:
        name, _, numbers = text.partition("=")
        (radiation,) = _radiations((name,))
        try:
            gy, fractions = numbers.split("/")
            is_ion = radiation is not Radiation.PHOTON
            phase = Phase(radiation, float(gy), int(fractions), biological=is_ion)
        except ValueError as error:
            raise BadInput(
                f"course '{text}': write RADIATION=GY/FRACTIONS, such as carbon=57.6/16 ({error})"
            ) from None
        courses[radiation] = Treatment((phase,))
    return courses


def _source(config: ForecastConfig, root: Path, name: str, session: str) -> "SourceSeries":
    from flame.preprocessing.cohort.source_series import source_series

    dicom = Path(str(config.dicom)).resolve()
    key = Path(config.key) if config.key else dicom.with_name(f"{dicom.name}.key")
    return source_series(root, name, session, dicom, key)


def _baseline(root: Path, name: str, day: int) -> tuple[str, Timepoint]:
    """Return the session from which the forecast starts: the last of its day with a tumour."""
    from flame.io.bids import read_timepoint
    from flame.preprocessing.cohort.cohort import sessions
    from flame.preprocessing.quality.reviews import EXCLUDE, decision, read_decisions

    decisions = read_decisions(root)
    candidates = [
        (session, read_timepoint(root, name, session, day))
        for session, session_day in sessions(root, name)
        if session_day == day and decision(decisions, name, session, day) != EXCLUDE
    ]
    return [(session, images) for session, images in candidates if images.tumour is not None][-1]


def _radiations(names: tuple[str, ...]) -> tuple[Radiation, ...]:
    for name in names:
        if name not in list(Radiation):
            raise BadInput(f"unknown radiation '{name}': {nearest(name, list(Radiation))}")
    return tuple(Radiation(n) for n in names)


def _days(days: tuple[int, ...], last: int, start: int) -> tuple[int, ...]:
    first = max(start, 0) + 1
    if first > last:
        raise BadInput(
            f"the tumour mask to start from is of day {start}, and the training patients were "
            f"followed for {last - start} days only: no day can be forecast"
        )
    if not days:
        regular = [day for day in range(30, last + 1, 30) if day >= first]
        return tuple(sorted({*regular, last}))
    wrong = [day for day in days if not first <= day <= last]
    if wrong:
        raise BadInput(
            f"day {wrong[0]} cannot be forecast: the training patients were followed for "
            f"{last - start} days; choose days from {first} to {last}"
        )
    return tuple(sorted(set(days)))


def _subject(folder: Path) -> tuple[Path, str]:
    if not folder.is_dir() or not folder.name.startswith("sub-"):
        raise BadInput(
            f"{folder} is not a folder of a subject; give CENTRE/sub-.. of flame preprocess"
        )
    return folder.parent, folder.name.removeprefix("sub-")


def _read_patient(root: Path, name: str, view: "View | None") -> Cohort:
    from flame.preprocessing.cohort.cohort import read_cohort

    cohort = read_cohort(root, root.name, view, only=name)
    if not cohort.patients:
        raise BadInput(f"{root}: sub-{name} is not in participants.tsv, or is excluded")
    return cohort


def _calibrated(trained: Model, case: "EvolutionCase") -> int | None:
    """Return the number of patients from whom the band of a forecast was learned."""
    from flame.models.evolution.growth_curves import LEAST_APART

    shared = trained.shared
    if "calibrated" in shared:
        return int(shared["calibrated"])
    if "patients" not in shared:
        return None
    own = int(shared["patients"][0 if case.is_ahead else 1])
    return own if min(shared["patients"][:2]) >= LEAST_APART else int(shared["patients"][2])


def _followed(patient: Patient, trained: Model) -> bool:
    """Tell whether a patient was learned from, whatever the day from which it is forecast."""
    start = replace(patient, landmark=0.0).start
    latest_day = trained.config.evolution.latest_day or math.inf
    later = [t for t in patient.timepoints if start and t.tumour and t.day > max(start.day, 0)]
    return f"sub-{patient.pseudonym}" in trained.sources and any(t.day <= latest_day for t in later)


def _warnings(
    trained: Model,
    case: "EvolutionCase",
    radiations: tuple[Radiation, ...],
    baseline: Timepoint,
) -> list[str]:
    from flame.models.evolution.out_of_distribution import unknown_radiations, unlike

    shared = trained.shared
    warnings = [f"training: {line}" for line in trained.warnings if "left out" not in line]
    if baseline.predicted:
        warnings.append("a model, not a person, drew the tumour from which the forecast starts")
    if case.treatment is None and shared["radiations"].any():
        warnings.append(
            "the radiotherapy of this patient is unknown, and that of the training patients was "
            "known: the forecast knows of no treatment to come"
        )
    warnings += unlike(case, shared["count"], shared["mean"], shared["sum_sq_dev"])
    return warnings + unknown_radiations(shared["radiations"], radiations)


def _response(path: Path, root: Path, name: str) -> tuple[float, "Scan | None"]:
    """Return the probability of response, the mean over seeds, and the relevance of the image.

    The relevance is None for models without images.
    """
    from flame.evaluation.images.occlusion import occlusion
    from flame.federation.tasks.cohorts import prepared
    from flame.federation.tasks.registry import task_of
    from flame.federation.tasks.response import ResponseTask
    from flame.models.response.inputs import inputs_of

    trained = open_model(path)
    task = task_of(ResponseTask, trained.task, path)  # type: ignore[type-abstract]
    if not trained.config.data.bids:
        raise BadInput(f"{path} is a run on a table; give one on preprocessed patients")
    cohort = prepared(_read_patient(root, name, task.view()), trained.config, root)
    inputs = inputs_of(cohort, trained.config.model)

    def probability(patients: Any) -> Any:
        return np.mean([task.predict(patients, w, s) for w, s in trained.seeds], axis=0)

    baseline = cohort.patients[0].baseline
    if not trained.config.model.sequences or baseline is None:
        return float(probability(inputs)[0]), None
    scan = next(iter(baseline.scans.values()))
    return float(probability(inputs)[0]), replace(scan, voxels=occlusion(probability, inputs))


def _check_free(out: Path, dicom: str | None) -> None:
    if dicom and out.resolve().is_relative_to(Path(dicom).resolve()):
        raise BadInput(f"{out} lies inside the DICOM folder; give a folder outside it")
    check_free(out, PAGE, "prediction")
