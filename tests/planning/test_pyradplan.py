"""Parts of the planning script that need no pyRadPlan; masks are (z, y, x)."""

import numpy as np
import pytest

from flame.planning.pyradplan import gantry_angles, goals, structures


def test_the_couch_is_no_body_and_the_target_stays_within_it() -> None:
    hu = np.full((9, 40, 20), -1000.0, np.float32)
    hu[:, 4:24, 2:18] = 40
    hu[:, 12:16, 8:12] = -900  # air within the head
    hu[:, 34:37] = 100  # the couch
    brain = np.zeros(hu.shape, bool)
    brain[:, 6:22, 4:16] = True
    brain &= hu > 0
    ctv = np.zeros(hu.shape, bool)
    ctv[4, 4, 9] = True  # at the skin
    masks = structures(hu, ctv, brain, voxel_mm=3.0)
    assert masks["Body"][4, 4:24, 2:18].all(axis=0)[1:-1].all()  # with the air in it
    assert not masks["Body"][:, 24:].any()
    # 3 mm around one voxel are its six neighbours, less the one outside the body.
    assert masks["PTV"].sum() == 6


@pytest.mark.parametrize(
    ("place", "angle"), [((0, 10), 0.0), ((10, 20), 90.0), ((20, 10), 180.0), ((10, 0), 270.0)]
)
def test_ions_come_from_the_side_of_the_target(place: tuple[int, int], angle: float) -> None:
    """0 is from the front, 90 from the left; y runs to the back and x to the left."""
    ctv = np.zeros((1, 21, 21), bool)
    ctv[(0, *place)] = True
    found = gantry_angles("proton", ctv, np.ones((1, 21, 21), bool))
    assert found == pytest.approx([(angle - 35) % 360, (angle + 35) % 360])
    assert gantry_angles("photon", ctv, ctv)[:2] == pytest.approx([0, 360 / 7])


def test_goals_by_hand() -> None:
    """Of 100 voxels of the target 4 get 50 Gy, 95 get 60 and 1 gets 66; the brain gets 20."""
    dose = np.full((1, 1, 110), 20, np.float32)
    dose[0, 0, :100] = [50.0] * 4 + [60.0] * 95 + [66.0]
    dose[0, 0, 100] = 58
    target, brain = np.zeros((2, 1, 1, 110), bool)
    target[..., :100] = True
    brain[...] = True
    found = goals(dose, {"PTV": target, "Brain": brain}, gy=60.0)
    assert found["D95"] == pytest.approx(1.0)
    assert found["D2"] == pytest.approx(1.0)
    assert found["brain mean Gy"] == pytest.approx((9 * 20 + 58) / 10)
    assert found["brain V95"] == pytest.approx(0.1)
