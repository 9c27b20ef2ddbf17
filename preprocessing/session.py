"""One imaging day of one patient through all stages, written as a BIDS session."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from flame import __version__
from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed, UnreadableImage
from flame.core.files import content_hash
from flame.core.imaging import Sequence
from flame.io.bids import session_folder, session_sidecar, write_session
from flame.io.geometry import Geometry
from flame.io.pixels import read_scan
from flame.preprocessing.atlas import SPACE, atlas_registration, mni152, overlap
from flame.preprocessing.bias_field import bias_field
from flame.preprocessing.brain_extraction import brain_extraction
from flame.preprocessing.coregistration import coregistration
from flame.preprocessing.intensity import zscore
from flame.preprocessing.resampling import resampling
from flame.preprocessing.stage import Stage

NAN = float("nan")


def stages(spacing: float) -> list[Stage]:
    """The stages of structural MRI in order, ending on the atlas grid of ``spacing`` mm."""
    return [
        bias_field(), coregistration(), brain_extraction(), atlas_registration(),
        resampling(spacing), zscore(),
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Study:
    """One day of one patient, ready to be preprocessed.

    ``sources`` are keyed hashes of UIDs, ``note`` what the user should know about the day.
    """

    subject: str
    session: str
    day: int
    series: dict[Sequence, Geometry]
    sources: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class StudyResult:
    """What became of a study: done, skipped (already there) or failed, and why.

    ``path`` is a file at fault; it is shown, never written, as it may name the patient.
    """

    subject: str
    session: str
    day: int
    status: str
    sequences: str
    brain_ml: float
    atlas_dice: float
    note: str
    path: str = ""


def preprocess_study(
    out: Path, study: Study, spacing: float, key: bytes, one_thread: bool
) -> StudyResult:
    """Run all stages and write the session, unless it is there from the same input already.

    A stage that fails leaves no session, not even an older one; the result says why.
    """
    paths = [i.path for g in study.series.values() for i in g.instances]
    settings = f"{spacing} {study.day} {study.note} {__version__}"
    identity = content_hash(paths, settings, key.hex())
    known = session_sidecar(out, study.subject, study.session)

    def result(status: str, ml: float, dice: float, note: str, path: str = "") -> StudyResult:
        names = " ".join(study.series)
        return StudyResult(
            study.subject, study.session, study.day, status, names, ml, dice, note, path
        )

    if known and known.get("InputHash") == identity:
        return result("skipped", known["BrainVolumeMl"], known["AtlasDice"], known["Note"])
    shutil.rmtree(session_folder(out, study.subject, study.session), ignore_errors=True)
    try:
        if one_thread:
            _use_one_thread()
        timepoint, ml, dice = _run_stages(study, spacing)
    except UnreadableImage as error:
        return result("failed", NAN, NAN, error.reason, str(error.path))
    except StageFailed as error:
        return result("failed", NAN, NAN, str(error))
    except Exception as error:  # one broken study must not cost the others; its text may leak
        return result("failed", NAN, NAN, f"unexpected {type(error).__name__} in preprocessing")
    missing = [s for s in Sequence if s not in study.series]
    notes = [f"without {', '.join(missing)}"] * bool(missing) + [study.note] * bool(study.note)
    note = "; ".join(notes)
    sidecar = {
        "Sources": list(study.sources), "InputHash": identity, "SpacingMm": spacing,
        "FlameVersion": __version__, "BrainVolumeMl": round(ml, 1), "AtlasDice": round(dice, 4),
        "Day": study.day, "Note": note,
    }  # fmt: skip
    write_session(out, study.subject, study.session, timepoint, SPACE, sidecar)
    return result("done", round(ml, 1), round(dice, 4), note)


def _run_stages(study: Study, spacing: float) -> tuple[Timepoint, float, float]:
    """Return the preprocessed day, the native brain volume in ml and its Dice with the atlas."""
    timepoint = Timepoint(study.day, {s: read_scan(g, s) for s, g in study.series.items()})
    native_ml = NAN
    for stage in stages(spacing):
        timepoint = stage(timepoint)
        if timepoint.brain is not None and native_ml != native_ml:
            native_ml = timepoint.brain.volume
    if timepoint.brain is None:
        raise StageFailed("no stage found the brain")
    return timepoint, native_ml, overlap(timepoint.brain, mni152())


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)
