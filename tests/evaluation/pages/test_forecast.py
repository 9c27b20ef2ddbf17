"""Files of a forecast: volumes, and maps that lie where the tumour is."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from flame.evaluation.pages.forecast import write_maps
from tests.helpers.forecasts import AFFINE, prediction


def test_volumes_are_quantiles_of_the_samples() -> None:
    table = prediction().volumes().set_index("radiation")
    # Samples 1, 2, ..., 101: median 51, and 5 % and 95 % quantiles 6 and 96.
    assert table.loc["photon", ["median_ml", "low_ml", "high_ml"]].tolist() == [51, 6, 96]
    assert table.loc["carbon", ["median_ml", "low_ml", "high_ml"]].tolist() == [25.5, 3, 48]


def test_maps_hold_the_probability_and_its_mask(tmp_path: Path) -> None:
    result = prediction()
    write_maps(tmp_path, result)
    mask = nib.load(tmp_path / "sub-p1_radiation-photon_day-090_mask.nii.gz")
    assert np.allclose(mask.affine, AFFINE)
    assert (np.asarray(mask.dataobj) == result.case.later[1][1]).all()
    probability = nib.load(tmp_path / "sub-p1_radiation-carbon_day-090_probability.nii.gz")
    assert set(np.unique(probability.get_fdata())) == {0, 0.5, 1}
    table = pd.read_csv(tmp_path / "sub-p1_volumes.tsv", sep="\t")
    assert len(table) == 2
