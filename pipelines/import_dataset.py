"""``flame import``: a downloaded public data set to BIDS derivatives, one folder per centre."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from flame.core.errors import BadInput
from flame.core.files import atomic_path, content_hash, locked, write_text
from flame.core.progress import Progress, silent
from flame.io.bids import write_dataset_description
from flame.io.datasets.layout import DATASETS, PublicData, Visit
from flame.io.nifti import write_nifti
from flame.pipelines.preprocess import run_studies
from flame.preprocessing.cohort.tables import write_participants, write_quality
from flame.preprocessing.config import StageConfig
from flame.preprocessing.quality.report import write_quality_report
from flame.preprocessing.quality.reviews import ACCEPT, EXCLUDE, decision, read_decisions
from flame.preprocessing.radiotherapy.destinations import DRAWN_ON
from flame.preprocessing.radiotherapy.plan import RadiotherapyPlan
from flame.preprocessing.study import Study, StudyResult

_PUBLIC = b"public"
"""Pseudonym key of public data, whose names are published already."""
_ENHANCING = 4
"""Label of the enhancing tumour in the BraTS convention, in which two mask files are merged."""
_OEDEMA = 2
"""Label of the oedema in the same convention."""


@dataclass(frozen=True)
class ImportConfig:
    """Settings of an import.

    Args:
        name: name of the data set.
        download: folder of the download.
        out: folder to write to, with one folder per centre.
        stages: parameters of the stages.
        jobs: number of parallel processes.
        centres: centres to import; empty: all.
    """

    name: str
    download: str
    out: str
    stages: StageConfig = StageConfig()
    jobs: int = 1
    centres: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportResult:
    """Result of ``flame import``.

    Args:
        studies: results of all days, by centre.
        missing: what the download lacks, in words.
        source: citation of the data set.
        licence: terms of use of the data set.
    """

    studies: dict[str, list[StudyResult]]
    missing: tuple[str, ...]
    source: str
    licence: str


def read(name: str, download: Path) -> PublicData:
    """Read the visits and tables of a download.

    Args:
        name: name of the data set.
        download: folder of the download.

    Returns:
        Its content, without pixels.

    Raises:
        BadInput: the name is unknown, or the folder has another layout.
    """
    return DATASETS[name].read(download.resolve())


def run(config: ImportConfig, progress: Progress = silent) -> ImportResult:
    """Preprocess every day of a download into one folder per centre; skip finished days.

    Args:
        config: settings of the import.
        progress: called with days done and the total.

    Returns:
        Results by centre, what the download lacks, citation and licence.

    Raises:
        BadInput: the data set or a centre is unknown, or a folder cannot be used.
    """
    layout = DATASETS[config.name]
    out = Path(config.out)
    data = read(config.name, Path(config.download))
    stages = config.stages
    if stages.tumour_labels == StageConfig().tumour_labels:
        stages = replace(stages, tumour_labels=data.labels)
    by_centre: dict[str, list[Visit]] = {}
    for visit in data.visits:
        by_centre.setdefault(data.centres.get(visit.patient, config.name), []).append(visit)
    unknown = set(config.centres) - by_centre.keys()
    if unknown:
        raise BadInput(f"no centre {', '.join(sorted(unknown))}: {', '.join(sorted(by_centre))}")
    chosen = {c: v for c, v in sorted(by_centre.items()) if c in (config.centres or by_centre)}
    total = sum(map(len, chosen.values()))
    results: dict[str, list[StudyResult]] = {}
    for centre, visits in chosen.items():

        def show(count: int, here: int, before: int = sum(map(len, results.values()))) -> None:
            progress(before + count, total)

        results[centre] = _centre(out / centre, visits, data, replace(config, stages=stages), show)
    return ImportResult(results, tuple(data.missing), layout.source, layout.licence)


def _centre(
    out: Path,
    visits: list[Visit],
    data: PublicData,
    config: ImportConfig,
    progress: Callable[[int, int], None],
) -> list[StudyResult]:
    marker = out / ".source"
    source = f"{config.name} {content_hash([], str(Path(config.download).resolve()))}"
    if any(out.glob("sub-*")) and not (marker.exists() and marker.read_text() == source):
        raise BadInput(
            f"{out} holds something else than an import of this download; give a new OUT"
        )
    decisions = read_decisions(out)
    with locked(out / ".lock"):
        write_text(marker, source)
        studies = [
            replace(s, accepted=word == ACCEPT, excluded=word == EXCLUDE)
            for s in _studies(out, visits)
            for word in [decision(decisions, s.subject, s.session, s.day)]
        ]
        results = run_studies(out, studies, config.stages, _PUBLIC, config.jobs, None, progress)
        write_text(out / "preprocess.toml", config.stages.public_toml())
        write_dataset_description(out, out.name, simulated=False)
        write_quality_report(out, results, decisions, [], simulated=False)
        write_quality(out, results)
        patients = {subject_of(v.patient): v.patient for v in visits}
        write_participants(
            out,
            {s: data.clinical.get(p, {}) for s, p in patients.items()},
            {s: data.treatments[p] for s, p in patients.items() if p in data.treatments},
            "As given in the table of the data set",
        )
    return results


def subject_of(patient: str) -> str:
    """Return the published name of a patient, reduced to the letters and digits of a BIDS label."""
    return re.sub(r"[^A-Za-z0-9]", "", patient)


def _studies(out: Path, visits: list[Visit]) -> Iterator[Study]:
    numbers = dict[str, int]()
    for visit in sorted(visits, key=lambda v: (v.patient, v.day, v.name)):
        subject = subject_of(visit.patient)
        numbers[subject] = numbers.get(subject, 0) + 1
        session = f"{numbers[subject]:02d}"
        drawn_on = next((s for s in DRAWN_ON if s in visit.scans), None)
        labels = out / ".labels" / f"{subject}_{session}.nii.gz"
        planned = RadiotherapyPlan(
            tumour=_tumour(visit, labels), drawn_on=drawn_on, dose_map=visit.dose
        )
        yield Study(
            subject,
            session,
            visit.day,
            dict(visit.scans),
            (),
            visit.note,
            str(visit.brain or ""),
            planned,
        )


def _tumour(visit: Visit, path: Path) -> Path | None:
    """Return the label map of a day; separate masks of enhancement and oedema are merged.

    Masks that cannot be merged give an empty file instead, so that only this day fails.
    """
    if visit.tumour is None or visit.oedema is None:
        return visit.tumour
    try:
        enhancing = nib.load(visit.tumour)
        oedema = nib.load(visit.oedema)
        alike = enhancing.shape == oedema.shape and np.allclose(enhancing.affine, oedema.affine)
        labels = np.where(np.asarray(oedema.dataobj) > 0, _OEDEMA, 0)
        labels = np.where(np.asarray(enhancing.dataobj) > 0, _ENHANCING, labels)
    except (OSError, EOFError, ValueError, ImageFileError):
        alike = False
    if alike:
        write_nifti(path, labels.astype(np.uint8), enhancing.affine)
    else:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"")
    return path


def as_json(data: PublicData) -> str:
    """Return the content of a download as JSON, without clinical values."""
    return json.dumps(
        {
            "days": len(data.visits),
            "patients": len({v.patient for v in data.visits}),
            "centres": sorted(set(data.centres.values())),
            "labels": data.labels,
            "missing": data.missing,
        },
        indent=1,
    )
