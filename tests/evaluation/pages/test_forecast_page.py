"""The page of a forecast: numbers in words, and volumes that the viewer can decode."""

import base64
import json
import re

import numpy as np

from flame.evaluation.pages.forecast_page import render
from tests.helpers.forecasts import prediction
from tests.helpers.tumours import SIDE


def test_the_viewer_gets_bytes_with_the_first_axis_fastest() -> None:
    result = prediction()
    found = re.search(r'\{"side".*\}', render(result))
    assert found is not None
    data, _ = json.JSONDecoder().raw_decode(found.group())
    assert data["side"] == SIDE
    tumour = np.frombuffer(base64.b64decode(data["tumour"]), np.uint8)
    assert (tumour.reshape((SIDE,) * 3, order="F") == result.case.tumour * 255).all()
    shown = base64.b64decode(data["probability"]["photon"]["90"])
    assert set(shown) == {0, 128, 255}
    assert len(base64.b64decode(data["images"]["T1C"])) == (2 * SIDE) ** 3
    assert "FLAIR" not in data["images"]


def test_figures_and_warnings_are_in_words() -> None:
    html = render(prediction())
    assert "51.0 (6.0 to 96.0)" in html
    assert "photon 60 Gy in 30" in html
    assert "a &lt;warning&gt;" in html
    assert "0.05 to 0.2" in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
