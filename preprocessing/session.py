"""Preprocessing of one imaging day of one patient, written as a BIDS session."""

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from threadpoolctl import threadpool_limits

from flame.core.error_log import log_error
from flame.core.errors import FlameError, StageFailed, UnreadableImage
from flame.core.files import content_hash
from flame.core.imaging import MAPS, Sequence
from flame.core.version import __version__
from flame.io.bids import (
    is_complete,
    read_timepoint,
    session_folder,
    session_sidecar,
    write_session,
)
from flame.preprocessing.config import StageConfig, stages
from flame.preprocessing.quality.checks import (
    Check,
    QualityFailed,
    sequences_missing,
    worst,
)
from flame.preprocessing.reference_day import (
    CACHE,
    cache_folder,
    images_hash,
    maps_hash,
    reference_day,
)
from flame.preprocessing.run_stages import run_stages
from flame.preprocessing.stages.estimate_cache import EstimateCache, stage_keys
from flame.preprocessing.stages.patient_registration import ReferenceDay
from flame.preprocessing.stages.stage import T1_WEIGHTED
from flame.preprocessing.study import NAN, Study, StudyResult


def preprocess_patient(
    out: Path, studies: list[Study], config: StageConfig, key: bytes
) -> list[StudyResult]:
    """Preprocess all days of one patient.

    The earliest day that passes its checks is the reference day, onto which the others are moved.
    Days without T1 and T1C, and days that a person accepted or excluded, are tried last.

    Args:
        out: output folder of preprocessing.
        studies: days of the patient.
        config: parameters of the stages.
        key: secret key of the pseudonyms.

    Returns:
        Result of each day, in order of ``studies``.

    Raises:
        FlameError: an error that does not concern one day alone, such as wrong use.
        OSError: a file cannot be written, as when the disk is full.
    """
    results: dict[str, StudyResult] = {}
    day: ReferenceDay | None = None
    for study in sorted(studies, key=_unfit):
        result = preprocess_study(out, study, config, key, day)
        results[study.session] = result
        if day is None and result.status != "failed":
            day = reference_day(out, study, config, key)
    return [results[s.session] for s in studies]


def killed_patient(
    out: Path, studies: list[Study], config: StageConfig, key: bytes
) -> list[StudyResult]:
    """Return the results of a patient whose working process was killed, without any session.

    Args:
        out: output folder of preprocessing.
        studies: days of the patient.
        config: parameters of the stages.
        key: secret key of the pseudonyms.

    Returns:
        Result of each day, in order of ``studies``: failed.
    """
    note = (
        "the working process of this patient was killed, perhaps for want of memory: run "
        "again with fewer --jobs, or leave out a large series with --sequences"
    )
    for study in studies:  # a session of before can be of other images
        shutil.rmtree(session_folder(out, study.subject, study.session), ignore_errors=True)
    return [_Outcome(study).of("failed", [], note) for study in studies]


def _unfit(study: Study) -> tuple[bool, bool, bool, int]:
    """Order days as reference days: those that a person questioned, or without T1, come last."""
    return study.excluded, study.accepted, not set(T1_WEIGHTED) & set(study.series), study.day


def preprocess_study(
    out: Path, study: Study, config: StageConfig, key: bytes, day: ReferenceDay | None = None
) -> StudyResult:
    """Run all stages and write the session, unless it exists already from the same input.

    Estimates of stages whose input and parameters are unchanged are read from the cache. An older
    session is removed before the stages run, so a day whose stages fail has no session.

    Args:
        out: output folder of preprocessing.
        study: day to preprocess.
        config: parameters of the stages.
        key: secret key of the pseudonyms, which also keys the hash of the input.
        day: reference day of the patient, onto which the day is moved; None: the day is registered
            to the template by itself.

    Returns:
        Result of the day; its note gives the reason of a failure.

    Raises:
        FlameError: an error that does not concern this day alone, such as wrong use.
        OSError: a file cannot be written, as when the disk is full.
    """
    planned = study.planned.paths
    result = _Outcome(study)
    folder = session_folder(out, study.subject, study.session)
    try:
        images = images_hash(study, key)
        maps = maps_hash(study, key)
        plans = content_hash(planned, *study.planned.layout)
        chain = stages(config, study.mask, day, study.structural)
    except OSError as error:  # a missing file fails only its own day
        shutil.rmtree(folder, ignore_errors=True)
        return result.of("failed", [], "a file of this day cannot be read", str(error.filename))
    try:
        keys = stage_keys(images, chain)
        settings = [
            str(study.day),
            study.note,
            str(config.native),
            str(study.accepted),
            config.space,
            config.tumour_labels,
            day.session if day else "",
            maps,
        ]
        identity = content_hash([], plans, *keys.values(), *map(str, settings))
        known = session_sidecar(out, study.subject, study.session)
        same = known if known and known.get("InputHash") == identity else None
        written = (*study.structural, *map(Sequence, (same or {}).get("Maps", [])))
        if same and is_complete(out, study.subject, study.session, written):
            return result.of("skipped", [Check(**c) for c in same["Checks"]], same["Note"])
        shutil.rmtree(folder, ignore_errors=True)
        cache = EstimateCache(cache_folder(out, study), keys)
        first = None
        if day is not None:
            first = read_timepoint(out, study.subject, day.session, 0, tuple(study.structural))
        with threadpool_limits(1):  # sums over threads differ in their last bits
            files, checks = run_stages(study, config, chain, cache, first)
    except UnreadableImage as error:
        return result.of("failed", [], error.reason, str(error.path))
    except QualityFailed as error:
        return replace(result.of("failed", error.checks, str(error)), picture=error.picture)
    except StageFailed as error:
        return result.of("failed", [], str(error))
    except (FlameError, OSError):  # wrong use or a full disk, which concern every study
        raise
    except Exception as error:  # one broken study must not stop the others
        log = log_error(out, f"sub-{study.subject} ses-{study.session}", error)
        note = f"unexpected {type(error).__name__} in preprocessing; the traceback is in {log.name}"
        return result.of("failed", [], note)
    missing = sequences_missing(study.series)
    notes = [f"without {', '.join(missing)}"] * bool(missing) + [study.note] * bool(study.note)
    note = "; ".join(notes + [c.reason for c in checks if c.reason] + files.notes)
    sidecar = {
        "SourceSeries": list(study.sources),
        "InputHash": identity,
        "AtlasKey": keys["atlas_registration"],
        "ReferenceSession": day.session if day else study.session,
        "FlameVersion": __version__,
        "Day": study.day,
        **study.scanner,
        "Maps": [str(s) for s in MAPS if s in files.timepoint.scans],
        "Note": note,
        "Checks": [asdict(c) for c in checks],
        "Radiotherapy": files.ways,
        "Parameters": {s.name: dict(s.parameters) for s in chain},
    }
    write_session(out, study.subject, study.session, files, sidecar)
    return result.of("done", checks, note)


def remove_stale(out: Path, studies: list[Study]) -> None:
    """Remove sessions and estimates of other studies, and partial sessions of a killed process.

    Args:
        out: output folder of preprocessing.
        studies: days whose sessions stay.
    """
    wanted = {session_folder(out, s.subject, s.session) for s in studies}
    cached = {cache_folder(out, s) for s in studies}
    for folder in [*out.glob("sub-*/ses-*"), *out.glob(f"{CACHE}/*/*")]:
        if folder not in wanted | cached:
            shutil.rmtree(folder)
    for folder in [*out.glob("sub-*"), *out.glob(".partial-*"), *out.glob(f"{CACHE}/*")]:
        if folder.name.startswith(".partial-") or not any(folder.iterdir()):
            shutil.rmtree(folder)


@dataclass(frozen=True)
class _Outcome:
    """Maker of the results of one study."""

    study: Study

    def of(self, status: str, checks: list[Check], note: str, path: str = "") -> StudyResult:
        """Return the result of the study with a status, its checks and a note."""
        values = {c.name: c.value for c in checks}
        return StudyResult(
            self.study.subject,
            self.study.session,
            self.study.day,
            status,
            " ".join(self.study.series),
            values.get("brain_ml", NAN),
            values.get("atlas_dice", NAN),
            "fail" if status == "failed" else worst(checks),
            note,
            path,
            tuple(checks),
        )
