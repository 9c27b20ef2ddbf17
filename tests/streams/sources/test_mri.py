"""Simulated MRI cohorts as a stream: what a change of scanner does to features."""

import numpy as np

from flame.streams.sources.mri import MRIConfig, mri_stream


def test_a_scanner_upgrade_changes_what_one_hospital_sees() -> None:
    found = mri_stream(MRIConfig(hospitals=3, patients=300, steps=4, at=2), 0)
    shift = np.abs(found.batches[3].x.mean(axis=1) - found.batches[1].x.mean(axis=1)).max(axis=1)
    assert shift[1] > 3 * max(shift[0], shift[2])
    assert found.changed.sum() == 1
    assert found.changed[2, 1]
    assert found.simulated


def test_images_name_their_scanner() -> None:
    found = mri_stream(MRIConfig(hospitals=2, patients=5, steps=3, at=1, where=1), 0)
    assert found.frame.feature_names[:2] == ("T1 mean", "T1 sd")
    assert set(found.arrived(0, 1).device) == {"scanner 2"}
    assert set(found.arrived(1, 1).device) != set(found.arrived(0, 1).device)
    assert np.array_equal(found.of(1).arrived(2, 0).x, found.batches[2].x[1])
