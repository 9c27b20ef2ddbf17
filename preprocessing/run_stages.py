"""Stages and checks of one imaging day, up to the files of its session."""

from dataclasses import replace

import numpy as np

from flame.core.cohort import Timepoint
from flame.io.bids import SessionFiles
from flame.preprocessing.config import StageConfig
from flame.preprocessing.parametric_maps import with_maps
from flame.preprocessing.quality.checks import (
    Check,
    QualityFailed,
    brain_checks,
    coverage_checks,
    days_checks,
    final_checks,
    grid_checks,
    worst,
)
from flame.preprocessing.quality.thumbnails import picture, upright
from flame.preprocessing.radiotherapy.maps import Target, planned_maps
from flame.preprocessing.stages.atlas_registration import template
from flame.preprocessing.stages.estimate_cache import EstimateCache
from flame.preprocessing.stages.interpolation import labels_on_scan
from flame.preprocessing.stages.stage import Place, Stage, reference
from flame.preprocessing.study import Study


def run_stages(
    study: Study,
    config: StageConfig,
    chain: list[Stage],
    cache: EstimateCache,
    first: Timepoint | None,
) -> tuple[SessionFiles, list[Check]]:
    """Apply the stages to a day and check the result.

    Args:
        study: day.
        config: parameters of the stages.
        chain: stages in the order in which they run.
        cache: cache of their estimates.
        first: reference day of the patient on the template's grid; None: the day itself.

    Returns:
        Files of the session, and checks of the day.

    Raises:
        QualityFailed: a check failed, and no person has accepted the day.
        StageFailed: a stage failed.
        UnreadableImage: a file is damaged.
    """
    raw = study.timepoint()
    timepoint = raw
    checks: list[Check] = []
    corrected = raw  # after the stages on the scanner's grids
    before = raw  # before resampling
    whole = raw  # after resampling, before intensities are normalised
    for stage in chain:
        if stage.place is Place.GRID:
            before = timepoint
        timepoint = stage.apply(timepoint, cache.get(stage, timepoint))
        if stage.place is Place.SCANNER:
            corrected = timepoint
        if stage.place is Place.GRID:
            whole = timepoint
        if stage.place is Place.BRAIN:
            checks += brain_checks(timepoint)
            _stop_at_failure(study, checks, upright(timepoint))
    checks += coverage_checks(before) + grid_checks(before, timepoint)
    moves = {
        s: before.scans[s].affine @ np.linalg.inv(scan.affine) for s, scan in raw.scans.items()
    }
    grid = template(config.template, config.space, config.spacing)
    assert before.brain is not None
    target = Target(corrected.scans, before.brain, moves, grid.affine, grid.t1.shape)
    maps = planned_maps(study.planned, target, config.tumour_labels)
    timepoint = maps.added_to(timepoint)
    checks += final_checks(timepoint, template(config.template, config.space))
    if first is not None:
        checks += days_checks(timepoint, first)
    whole = maps.added_to(whole)
    _stop_at_failure(study, checks, whole)
    fixed = reference(corrected)
    readable, unread = study.maps()
    timepoint, notes = with_maps(
        timepoint, readable, fixed, moves[fixed.sequence], config.registration
    )
    files = SessionFiles(
        timepoint,
        moves,
        picture=picture(whole),
        notes=[*maps.notes, *unread, *notes],
        ways=list(maps.ways),
        dose_volume=[row.row() for row in maps.dose_volume],
    )
    if config.native:
        # Headers of two scans can disagree by centimetres, so one mask does not fit them all.
        brains = {s: labels_on_scan(before.brain, moves[s], v) for s, v in raw.scans.items()}
        files = replace(files, native=corrected.scans, native_brains=brains)
    return files, checks


def _stop_at_failure(study: Study, checks: list[Check], shown: Timepoint) -> None:
    if worst(checks) == "fail" and not study.accepted:
        raise QualityFailed(checks, picture(shown))
