"""One imaging day of one patient through all stages, written as a BIDS session."""

from dataclasses import dataclass
from pathlib import Path

from flame import __version__
from flame.core.cohort import Timepoint
from flame.core.errors import FlameError
from flame.core.files import content_hash
from flame.core.imaging import Sequence
from flame.io.bids import session_sidecar, write_session
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
    """One day of one patient, ready to be preprocessed. ``sources`` are keyed hashes of UIDs."""

    subject: str
    session: str
    day: int
    series: dict[Sequence, Geometry]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class StudyResult:
    """What became of a study: done, skipped (already there) or failed, and why."""

    subject: str
    session: str
    day: int
    status: str
    sequences: str
    brain_ml: float
    atlas_dice: float
    note: str


def preprocess_study(out: Path, study: Study, spacing: float, one_thread: bool) -> StudyResult:
    """Run all stages and write the session, unless it is there from the same input already.

    A stage that fails leaves nothing; the result says why.
    """
    paths = [i.path for g in study.series.values() for i in g.instances]
    identity = content_hash(paths, f"{spacing} {study.day}", __version__)
    known = session_sidecar(out, study.subject, study.session)

    def result(status: str, ml: float, dice: float, note: str) -> StudyResult:
        return StudyResult(
            study.subject, study.session, study.day, status, " ".join(study.series), ml, dice, note
        )

    if known and known.get("InputHash") == identity:
        return result("skipped", known["BrainVolumeMl"], known["AtlasDice"], known["Note"])
    try:
        if one_thread:
            _use_one_thread()
        timepoint, ml, dice = _run_stages(study, spacing)
    except FlameError as error:
        return result("failed", NAN, NAN, str(error))
    missing = [s for s in Sequence if s not in study.series]
    note = f"without {', '.join(missing)}" if missing else ""
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
    millilitres = dice = NAN
    for stage in stages(spacing):
        extracted = timepoint.brain is None
        timepoint = stage(timepoint)
        if timepoint.brain is not None:
            if extracted:
                millilitres = timepoint.brain.volume
            dice = overlap(timepoint.brain, mni152())
    return timepoint, millilitres, dice


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)
