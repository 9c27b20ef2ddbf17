"""The page of a forecast: numbers in words, and volumes that the viewer can decode."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from flame.core.imaging import Sequence
from flame.evaluation.pages.forecast_page import render
from flame.evaluation.pages.forecast_viewer import viewer_data
from tests.helpers.forecasts import AFFINE, prediction
from tests.helpers.tumours import SIDE, SPACING


def test_the_viewer_gets_bytes_with_the_first_axis_fastest() -> None:
    result = prediction()
    found = re.search(r'\{"head".*\}', render(result))
    assert found is not None
    data, _ = json.JSONDecoder().raw_decode(found.group())
    assert data["cube"] == {"shape": [SIDE] * 3, "step": SPACING, "origin": [-42.0, -52.0, -32.0]}
    tumour = np.frombuffer(base64.b64decode(data["tumour"]), np.uint8)
    assert (tumour.reshape((SIDE,) * 3, order="F") == result.case.tumour * 255).all()
    shown = base64.b64decode(data["probability"]["photon"]["90"])
    assert set(shown) == {0, 128, 255}
    assert len(base64.b64decode(data["images"]["T1C"])) == np.prod(data["head"]["shape"])
    assert "FLAIR" not in data["images"]
    assert set(data["later"]) == {"50", "120"}


def test_the_head_is_shown_beyond_the_cube_and_doses_as_shares_of_the_highest() -> None:
    """An image that reaches 40 mm beyond the cube to the right, and half the dose of photons."""
    result = prediction()
    far = AFFINE.copy()
    far[0, 3] -= 40
    scan = replace(result.baseline.scans[Sequence.T1C], affine=far)
    dose = result.case.dose
    doses = {"photon": dose, "carbon": dose / 2}
    baseline = replace(result.baseline, scans={Sequence.T1C: scan})
    data = viewer_data(replace(result, baseline=baseline, doses=doses))
    assert data["head"]["origin"] == [-80.0, -52.0, -32.0]  # the centre of the first voxel is at 80
    assert data["head"]["shape"] == [67, 48, 48]  # to the end of the cube at 54 mm
    assert data["full"] == pytest.approx(60)
    assert {name: set(base64.b64decode(d)) for name, d in data["dose"].items()} == {
        "photon": {200},
        "carbon": {100},
    }


def test_the_first_sentence_says_whether_any_difference_is_known() -> None:
    result = prediction()
    html = render(result)
    assert "bands of all radiations overlap: no difference between them can be told" in html
    assert "the largest is 25.5 ml" in html
    apart = {
        name: [replace(f, volumes=f.volumes / 100 + base) for f in forecasts]
        for (name, forecasts), base in zip(result.forecasts.items(), (40, 10), strict=True)
    }
    found = render(replace(result, forecasts=apart))
    assert "The 90 % bands of photon and carbon do not overlap" in found


def test_figures_and_warnings_are_in_words() -> None:
    html = render(replace(prediction(), calibrated=23))
    assert "90 % band, learned from 23 patients." in html
    assert "51.0 (6.0 to 96.0)" in html
    assert "photon 60 Gy in 30" in html
    assert "a &lt;warning&gt;" in html
    assert "0.05 to 0.2" in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
