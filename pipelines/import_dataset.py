"""``flame import``: a downloaded public data set to BIDS derivatives, a folder a centre."""

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
from flame.io.datasets import (  # noqa: F401  (they register themselves)
    brats,
    cfb_gbm,
    lumiere,
    mu_glioma_post,
    sailor,
    ucsf_alptdg,
    upenn_gbm,
)
from flame.io.datasets.layout import DATASETS, PublicData, Visit
from flame.pipelines.preprocess import run_studies
from flame.preprocessing.cohort.tables import write_participants, write_quality
from flame.preprocessing.config import StageConfig
from flame.preprocessing.quality.report import write_quality_report
from flame.preprocessing.quality.reviews import ACCEPT, decision, read_decisions
from flame.preprocessing.radiotherapy_plan import RadiotherapyPlan
from flame.preprocessing.studies import DRAWN_ON
from flame.preprocessing.study import Study, StudyResult

_PUBLIC = b"public"
_ENHANCING, _OEDEMA = 4, 2
"""Labels of the BraTS convention, in which masks of two files are joined."""


@dataclass(frozen=True)
class ImportConfig:
    """``name`` of the data set, its ``download``, OUT and stages; ``centres`` to take, or all."""

    name: str
    download: str
    out: str
    stages: StageConfig = StageConfig()
    jobs: int = 1
    centres: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportResult:
    """Results of the days by centre, what the download lacks, and its citation and licence."""

    studies: dict[str, list[StudyResult]]
    missing: tuple[str, ...]
    source: str
    licence: str


def read(name: str, download: Path) -> PublicData:
    """What is in a download; BadInput for an unknown name or a folder laid out otherwise."""
    return DATASETS[name].read(download.resolve())


def run(config: ImportConfig, progress: Progress = silent) -> ImportResult:
    """Preprocess every day of the download into OUT/<centre>; finished days are skipped."""
    layout, out = DATASETS[config.name], Path(config.out)
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
    total, found = sum(map(len, chosen.values())), dict[str, list[StudyResult]]()
    for centre, visits in chosen.items():

        def show(count: int, here: int, before: int = sum(map(len, found.values()))) -> None:
            progress(before + count, total)

        found[centre] = _centre(out / centre, visits, data, replace(config, stages=stages), show)
    return ImportResult(found, tuple(data.missing), layout.source, layout.licence)


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
        raise BadInput(f"{out} holds something else than an import of this download; another OUT")
    decisions = read_decisions(out)
    with locked(out / ".lock"):
        write_text(marker, source)
        studies = [
            replace(s, accepted=decision(decisions, s.subject, s.session, s.day) == ACCEPT)
            for s in _studies(out, visits)
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
            "As the data set's own table gives it",
        )
    return results


def subject_of(patient: str) -> str:
    """The patient's published name as BIDS allows it: letters and digits."""
    return re.sub(r"[^A-Za-z0-9]", "", patient)


def _studies(out: Path, visits: list[Visit]) -> Iterator[Study]:
    numbers = dict[str, int]()
    for visit in sorted(visits, key=lambda v: (v.patient, v.day, v.name)):
        subject = subject_of(visit.patient)
        numbers[subject] = number = numbers.get(subject, 0) + 1
        session = f"{number:02d}"
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
    """The label map of a day; what enhances and the oedema are joined into one.

    Files that cannot be joined give a file that is no mask, so that the day fails, and it alone.
    """
    if visit.tumour is None or visit.oedema is None:
        return visit.tumour
    try:
        enhancing, oedema = (nib.load(p) for p in (visit.tumour, visit.oedema))
        alike = enhancing.shape == oedema.shape and np.allclose(enhancing.affine, oedema.affine)
        labels = np.where(np.asarray(oedema.dataobj) > 0, _OEDEMA, 0)
        labels = np.where(np.asarray(enhancing.dataobj) > 0, _ENHANCING, labels)
    except (OSError, EOFError, ValueError, ImageFileError):
        alike = False
    with atomic_path(path) as temporary:
        whole = temporary.with_name(f"{temporary.name}.nii.gz")
        if alike:
            nib.save(nib.Nifti1Image(labels.astype(np.uint8), enhancing.affine), whole)
        else:
            whole.write_bytes(b"")
        whole.replace(temporary)
    return path


def as_json(data: PublicData) -> str:
    """What a download holds, for programs: days, centres, what is missing; no clinical values."""
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
