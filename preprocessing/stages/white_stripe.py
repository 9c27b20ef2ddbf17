"""White stripe: intensity normalisation by normal-appearing white matter.

The stripe is the 5 % of the brain on either side of the histogram's white-matter peak. Its mean and
standard deviation give the z-score.

Reference:
    Shinohara et al. 2014, doi:10.1016/j.nicl.2014.08.008.
"""

import numpy as np

from flame.core.errors import StageFailed
from flame.core.imaging import Sequence
from flame.preprocessing.stages.intensity import Values, within_brain
from flame.preprocessing.stages.stage import STAGES, Stage

_BINS = 256
"""Number of histogram bins."""
_BANDWIDTH = 0.02
"""Standard deviation of the smoothing kernel, as a share of the intensity range."""


def white_matter_peak(values: Values, sequence: Sequence) -> float:
    """Find the white-matter peak of the smoothed histogram.

    It is the last peak on T1 and T1C, and the largest peak on T2 and FLAIR.

    Args:
        values: intensities (n,) of the brain.
        sequence: sequence of the image.

    Returns:
        Intensity of the peak.

    Raises:
        StageFailed: the histogram has no peak.

    Example:
        >>> grey, white = (np.random.default_rng(0).normal(m, 5, 5000) for m in (60, 100))
        >>> peak = white_matter_peak(np.concatenate([grey, white]).astype(np.float32), Sequence.T1)
        >>> 95 < peak < 105
        True
    """
    from scipy.signal import find_peaks  # imports scipy.stats, which takes half a second

    low, high = np.percentile(values, (0.5, 99.5))
    counts, edges = np.histogram(values, _BINS, (low, high))
    offsets = np.arange(-_BINS // 8, _BINS // 8 + 1) / _BINS
    kernel = np.exp(-0.5 * (offsets / _BANDWIDTH) ** 2)
    density = np.convolve(np.pad(counts, 1), kernel / kernel.sum(), mode="same")
    peaks, _ = find_peaks(density, height=0.1 * density.max(), prominence=0.02 * density.max())
    if not len(peaks):
        raise StageFailed(f"{sequence}: no white-matter peak in the histogram of the brain")
    t1_weighted = sequence in (Sequence.T1, Sequence.T1C)
    peak = peaks[-1] if t1_weighted else peaks[density[peaks].argmax()]
    return float(low + (peak - 0.5) * (edges[1] - edges[0]))


@STAGES.register("white_stripe")
def white_stripe(width: float = 0.05) -> Stage:
    """Build the stage that computes z-scores from the white stripe.

    With the mean m and standard deviation s of the stripe, v' = (v - m) / s. The stage raises
    StageFailed if the histogram has no white-matter peak or the stripe is constant.

    Args:
        width: half-width of the stripe, as a share of the brain's voxels.

    Returns:
        Stage at the place INTENSITY, without an estimate.
    """

    def normalise(values: Values, sequence: Sequence) -> Values:
        middle = float((values < white_matter_peak(values, sequence)).mean())
        low, high = np.quantile(values, (max(middle - width, 0), min(middle + width, 1)))
        stripe = values[(values >= low) & (values <= high)]
        spread = float(stripe.std())
        if not spread > 0:
            raise StageFailed(f"{sequence}: the white stripe is constant")
        return np.asarray((values - stripe.mean()) / spread, np.float32)

    return within_brain("white_stripe", normalise, {"width": width})
