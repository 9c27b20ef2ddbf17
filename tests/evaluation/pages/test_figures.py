"""Figures: ids that do not clash on one page, names that are no formulas, the right slice."""

import base64
import io
import re

import numpy as np
import pandas as pd
from PIL import Image

from flame.core.imaging import Scan, Sequence
from flame.evaluation.pages.figures import case_figure, dots_figure, panels, to_svg


def ids(svg: str) -> set[str]:
    return set(re.findall(r'\bid="([^"]+)"', svg))


def pictures(svg: str) -> list[np.ndarray]:
    coded = re.findall(r"data:image/png;base64,([^\"]+)", svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(c))).convert("RGB")) for c in coded]


def is_grey(pixels: np.ndarray) -> bool:
    return bool((pixels[..., 0] == pixels[..., 2]).all())


def drawn(name: str, label: str = "x") -> str:
    figure, (axis,) = panels(1)
    axis.plot([0, 1], [1, 0], clip_on=True)
    axis.set_xlabel(label)
    return to_svg(figure, name)


def test_figures_on_one_page_share_no_id() -> None:
    first, second = drawn("first"), drawn("second")
    assert ids(first)
    assert not ids(first) & ids(second)
    for svg in (first, second):
        used = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
        assert used
        assert set(used) <= ids(svg)


def test_the_same_figure_is_the_same_text() -> None:
    assert drawn("first") == drawn("first")


def test_a_dollar_in_a_name_is_no_formula() -> None:
    assert drawn("first", "costs $5 or $6").startswith("<svg")


def test_ticks_of_a_logarithmic_axis_are_numbers() -> None:
    figure, (axis,) = panels(1)
    axis.plot([0, 1], [0.1, 1000])
    axis.set_yscale("log")
    svg = to_svg(figure, "volumes")
    assert {"0.1", "10", "1000"} <= set(re.findall(r">([^<>]+)</text>", svg))
    assert "$" not in svg


def test_panels_lie_side_by_side() -> None:
    figure, axes = panels(3)
    assert len(axes) == 3
    assert figure.get_figwidth() == 3 * panels(1)[0].get_figwidth()


def test_a_case_of_two_sequences_has_three_planes_of_each() -> None:
    voxels = np.zeros((12, 12, 12), np.float32)
    voxels[2:10, 2:10, 2:10] = np.random.default_rng(0).uniform(1, 2, (8, 8, 8))
    scans = [Scan(voxels, np.eye(4), s) for s in (Sequence.FLAIR, Sequence.T1C)]
    relevance = Scan(voxels - 1.5, np.eye(4), Sequence.T1C)
    plain = pictures(case_figure(scans))
    assert len(plain) == 6
    assert all(is_grey(pixels) for pixels in plain)
    assert not any(is_grey(pixels) for pixels in pictures(case_figure(scans, relevance)))


def test_a_local_model_is_drawn_at_its_own_centre_alone() -> None:
    rows = pd.DataFrame(
        [
            ("local", ("a",), "a", "p1", 0.8),
            ("local", ("b",), "a", "p1", 0.1),
            ("federated", ("a", "b"), "a", "p1", 0.9),
        ],
        columns=["model", "trained_on", "tested_on", "patient", "dice"],
    )
    own = dots_figure(rows[rows.trained_on != ("b",)], "dice", "Dice")
    assert dots_figure(rows, "dice", "Dice") == own
