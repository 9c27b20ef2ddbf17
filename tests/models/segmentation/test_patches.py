"""Training patches: what is unknown stays unknown, and images and regions move together."""

import numpy as np

from flame.models.segmentation.cases import CHANNELS
from flame.models.segmentation.patches import Patches
from tests.helpers.tumours import bright_ball


def test_patches_keep_what_is_unknown_and_never_lose_every_sequence() -> None:
    patches = Patches([bright_ball(0)], 16, seed=0)
    shown = set()
    for _ in range(30):
        images, regions = patches.draw()
        assert images.shape == (16, 16, 16, 4)
        assert set(np.unique(regions[..., 0])) <= {0.0, 1.0}
        assert (regions[..., 1:] == -1).all()
        present = tuple(np.abs(images).reshape(-1, 4).max(axis=0) > 0)
        assert any(present)
        assert not present[CHANNELS.index("T2")]
        shown.add(present)
    assert len(shown) > 1  # sequences are left out at times


def test_images_and_regions_move_together() -> None:
    patches = Patches([bright_ball(1)], 16, seed=0)
    flair, differences = CHANNELS.index("FLAIR"), []
    for _ in range(20):
        images, regions = patches.draw()
        ball, inside = regions[..., 0] > 0, images[..., flair] != 0
        if ball.sum() > 50 and (inside & ~ball).sum() > 50:
            differences.append(
                images[..., flair][ball].mean() - images[..., flair][inside & ~ball].mean()
            )
    assert len(differences) > 5
    assert min(differences) > 1  # 3 before it is scaled by at least 0.8
