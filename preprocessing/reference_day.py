"""The reference day of a patient, made again from the cache of its estimates."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from threadpoolctl import threadpool_limits

from flame.core.cohort import Timepoint
from flame.core.files import content_hash
from flame.core.imaging import MAPS, Sequence
from flame.io.bids import session_sidecar
from flame.io.dicom.sources import Source, source_layout, source_paths
from flame.preprocessing.config import StageConfig, stages
from flame.preprocessing.stages.estimate_cache import EstimateCache, stage_keys
from flame.preprocessing.stages.patient_registration import ReferenceDay
from flame.preprocessing.stages.stage import Estimate, Place
from flame.preprocessing.study import Study

CACHE = ".cache"
"""Folder of the estimates of stages, in the output folder."""


def images_hash(study: Study, key: bytes) -> str:
    """Compute the content hash of the structural images of a day.

    Args:
        study: day.
        key: secret key of the pseudonyms, which keys the hash.

    Returns:
        Hash of the files, of the sequences that they are, and of the layout of their frames.

    Raises:
        OSError: a file cannot be read.
    """
    return _hash_of(study.structural, key)


def maps_hash(study: Study, key: bytes) -> str:
    """Compute the content hash of the diffusion and perfusion maps; see ``images_hash``."""
    return _hash_of({s: g for s, g in study.series.items() if s in MAPS}, key)


def _hash_of(series: Mapping[Sequence, Source], key: bytes) -> str:
    paths = [p for source in series.values() for p in source_paths(source)]
    order = [f"{n} {source_layout(source)}" for n, source in series.items()]
    return content_hash(paths, key.hex(), *order)


def cache_folder(out: Path, study: Study) -> Path:
    """Return the folder of the cached estimates of a day."""
    return out / CACHE / study.subject / study.session


def reference_day(out: Path, study: Study, config: StageConfig, key: bytes) -> ReferenceDay:
    """Make a finished day the reference day of its patient.

    Args:
        out: output folder of preprocessing, which holds the session of the day.
        study: the day.
        config: parameters of the stages.
        key: secret key of the pseudonyms.

    Returns:
        Reference day, whose images are read only if they are needed.
    """

    @cache
    def load() -> tuple[Timepoint, Estimate]:
        chain = stages(config, study.mask, sequences=study.structural)
        keys = stage_keys(images_hash(study, key), chain)
        estimates = EstimateCache(cache_folder(out, study), keys)
        timepoint = study.timepoint()
        with threadpool_limits(1):  # sums over threads differ in their last bits
            for stage in chain:
                arrays = estimates.get(stage, timepoint)
                if stage.place is Place.TEMPLATE:
                    return timepoint, arrays
                timepoint = stage.apply(timepoint, arrays)
        raise AssertionError("no stage moves the day to the template")

    sidecar = session_sidecar(out, study.subject, study.session)
    assert sidecar is not None
    return ReferenceDay(study.session, str(sidecar["AtlasKey"]), load)
