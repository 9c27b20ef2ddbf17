"""N4 bias-field estimation with the B-spline fit as separable matrix products.

Each iteration sharpens the histogram of log intensities and fits the smooth difference by
multilevel B-spline approximation. On a regular grid the approximation is three small matrix
products per axis, where ITK visits 64 control points per voxel.

Reference:
    Tustison et al. 2010, doi:10.1109/TMI.2010.2046908, and its implementation in ITK.
    Lee et al. 1997, doi:10.1109/2945.620490 (multilevel B-splines).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float64]

_DEGREE = 3
"""Degree of the B-splines."""
_BINS = 200
"""Number of histogram bins of log intensities; the default of ITK."""
_FWHM = 0.15
"""Full width at half maximum of the bias field's log intensities; the default of ITK."""
_WIENER = 0.01
"""Noise of the Wiener filter; the default of ITK."""


@dataclass(frozen=True)
class BSplineField:
    """Smooth field over an image, as a uniform cubic B-spline.

    Args:
        control: control points (i, j, k).

    Example:
        >>> field = BSplineField(np.ones((4, 4, 4)))
        >>> field.sample(grid((2, 1, 1))).round(6).ravel()
        array([1., 1.])
    """

    control: Volume

    def sample(self, coordinates: list[Volume]) -> Volume:
        """Evaluate the field on a grid.

        Args:
            coordinates: coordinates along each axis, from 0 (first voxel) to 1 (last voxel).

        Returns:
            Values (x, y, z).
        """
        pairs = zip(coordinates, self.control.shape, strict=True)
        bases = [_basis(u, c - _DEGREE).astype(self.control.dtype) for u, c in pairs]
        return _separable(self.control, bases)


def grid(shape: tuple[int, ...]) -> list[Volume]:
    """Compute the coordinates of an image's voxels.

    Args:
        shape: shape (x, y, z) of the image.

    Returns:
        Coordinates along each axis, from 0 (first voxel) to 1 (last voxel).
    """
    return [np.linspace(0, 1, n) for n in shape]


def _basis(coordinates: Volume, spans: int) -> Volume:
    """Return the values (point, control point) of a cubic B-spline with ``spans`` intervals.

    Coordinates run from 0 to 1.
    """
    u = coordinates * spans
    first = np.minimum(u.astype(int), spans - 1)
    t = u - first
    values = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    )
    basis = np.zeros((len(u), spans + _DEGREE))
    for offset in range(_DEGREE + 1):
        basis[np.arange(len(u)), first + offset] = values[:, offset] / 6
    return basis


def _separable(values: Volume, matrices: list[Volume]) -> Volume:
    """Multiply every axis of a volume by its matrix."""
    for axis, matrix in enumerate(matrices):
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return values


def _fit(residual: Volume, weights: Volume, bases: list[Volume]) -> Volume:
    """Return control points of one level of scattered-data approximation, with weights."""
    norm = _separable(np.ones((1, 1, 1)), [(b**2).sum(1)[:, None] for b in bases])
    numerator = _separable(weights * residual / norm, [b.T**3 for b in bases])
    denominator = _separable(weights, [b.T**2 for b in bases])
    zeros = np.zeros_like(numerator)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 1e-12)


def _sharpened(values: Volume) -> Volume:
    """Return the expected true log intensity of each value after Wiener deconvolution."""
    low = values.min()
    width = (values.max() - low) / (_BINS - 1)
    position = (values - low) / width
    index = np.minimum(position.astype(int), _BINS - 2)
    share = position - index
    histogram = np.bincount(index, 1 - share, _BINS) + np.bincount(index + 1, share, _BINS)
    padded = 2 ** (int(np.ceil(np.log2(_BINS))) + 1)
    offset = (padded - _BINS) // 2
    spectrum = np.fft.fft(np.pad(histogram, (offset, padded - _BINS - offset)))
    scaled = _FWHM / width
    lag = np.minimum(np.arange(padded), padded - np.arange(padded))
    gauss = np.fft.fft(
        2 * np.sqrt(np.log(2) / np.pi) / scaled * np.exp(-4 * np.log(2) * lag**2 / scaled**2)
    ).real
    wiener = gauss / (gauss**2 + _WIENER)
    true = np.maximum(np.fft.ifft(spectrum * wiener).real, 0)
    centres = low + (np.arange(padded) - offset) * width
    numerator = np.fft.ifft(np.fft.fft(centres * true) * gauss).real
    denominator = np.fft.ifft(np.fft.fft(true) * gauss).real
    zeros = np.zeros(padded)
    expected = np.divide(numerator, denominator, out=zeros, where=denominator != 0)
    return np.asarray(np.interp(values, centres[offset:][:_BINS], expected[offset:][:_BINS]))


def _converged(before: Volume, after: Volume, weights: Volume, tolerance: float) -> bool:
    """Return whether the coefficient of variation of the field's change is below the tolerance."""
    change = np.exp(after - before)[weights > 0]
    return bool(change.std() / change.mean() < tolerance)


def estimate_log_field(
    image: Volume,
    mask: NDArray[np.bool_],
    spans: int = 1,
    levels: int = 4,
    iterations: int = 50,
    tolerance: float = 1e-3,
) -> BSplineField:
    """Estimate the log bias field of an image.

    Args:
        image: intensities (x, y, z); voxels that are not positive are ignored.
        mask: voxels (x, y, z) to use.
        spans: intervals of the spline mesh along each axis at the first level.
        levels: number of levels; the mesh doubles with each.
        iterations: largest number of iterations per level.
        tolerance: coefficient of variation of the field's change below which a level ends.

    Returns:
        Log bias field as a spline over the image.
    """
    inside = mask & (image > 0)
    weights = inside.astype(float)
    log = np.where(inside, np.log(np.where(inside, image, 1)), 0)
    control = np.zeros((spans + _DEGREE,) * 3)
    for level in range(levels):
        intervals = spans * 2**level
        bases = [_basis(u, intervals) for u in grid(image.shape)]
        if level:
            control = _refine(control)
        field = _separable(control, bases)
        for _ in range(iterations):
            corrected = (log - field)[inside]
            residual = np.zeros_like(log)
            residual[inside] = corrected - _sharpened(corrected)
            control = control + _fit(residual, weights, bases)
            updated = _separable(control, bases)
            done = _converged(field, updated, weights, tolerance)
            field = updated
            if done:
                break
    return BSplineField(control)


def fit_log_field(values: Volume, spans: int) -> BSplineField:
    """Fit a spline to a log field on a grid, by least squares.

    Args:
        values: log field (x, y, z).
        spans: intervals of the spline mesh along each axis.

    Returns:
        Spline with ``spans`` intervals along each axis.
    """
    inverses = [np.asarray(np.linalg.pinv(_basis(u, spans)), float) for u in grid(values.shape)]
    return BSplineField(_separable(values, inverses))


def _refine(control: Volume) -> Volume:
    """Return the same field on a mesh of twice as many intervals, by knot insertion."""
    matrices = []
    for count in control.shape:
        fine = 2 * (count - _DEGREE) + _DEGREE
        matrix = np.zeros((fine, count))
        for i in range(fine):
            k, odd = divmod(i, 2)
            weights = (1, 6, 1) if odd else (4, 4)
            matrix[i, k : k + len(weights)] = np.array(weights) / 8
        matrices.append(matrix)
    return _separable(control, matrices)
