"""Streams of simulated MRI cohorts in order of acquisition, in which a scanner or protocol changes.

A patient is a sample of voxels of the tumour, with the intensities that the signal model of
``flame.simulation.scanner`` gives for the hospital's scanner. Features are statistics of the
intensities of each sequence.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from flame.core.config import Rule, Section
from flame.core.imaging import STRUCTURAL, Sequence
from flame.simulation.scanner import SCANNERS, TISSUES_OF_TUMOUR, Scanner, relative_signal
from flame.streams.arrivals import Arrivals
from flame.streams.networks.base import Array, Labels
from flame.streams.stream import Batch, Stream

_WHITE_MATTER = 2
"""Index of white matter in the table of signals."""
_STATISTICS = ("mean", "sd", "p10", "p90")
"""Statistics of the intensities of a sequence, in the order of features."""
_VOXELS = 60
"""Voxels of a tumour."""
_STRENGTH = 12
"""Log odds of response for each unit of ``_RESPONSE`` and of the share of a tissue."""
_RESPONSE = {"enhancing": -2.5, "necrosis": -1.5, "oedema": 0.5}
"""Effect of the share of each tissue on response: enhancing and necrotic parts make it rarer."""


@dataclass(frozen=True)
class MRIConfig(Section):
    """Simulated hospitals, one of which changes its scanner or its protocol."""

    hospitals: Annotated[int, Ge(0)] = 0
    """Number of hospitals; 0: the stream has another source."""
    patients: Annotated[int, Ge(1)] = 60
    """Patients of each hospital in each step."""
    steps: Annotated[int, Ge(2)] = 12
    """Steps of the stream."""
    at: int = 6
    """First step with the changed scanner or protocol, from 0."""
    where: int = 1
    """Number of the hospital that changes, from 0."""
    change: Literal["scanner", "protocol"] = "scanner"
    """Scanner: the hospital gets another scanner, with other contrast, gain and noise. Protocol:
    the contrast of FLAIR and T2 changes."""
    normalised: bool = True
    """Whether intensities are divided by that of white matter; false imitates a clinic without
    intensity normalisation."""

    def rules(self) -> Iterator[Rule]:
        """The change happens within the stream, at one of the hospitals."""
        yield (
            not self.hospitals or 0 <= self.where < self.hospitals,
            f"mri.where: a hospital from 0 to {self.hospitals - 1}",
        )
        yield (
            0 < self.at < self.steps,
            f"mri.at: a step from 1 to {self.steps - 1} (steps are counted from 0)",
        )


def mri_stream(config: MRIConfig, seed: int) -> Stream:
    """Simulate the stream; the label is whether a patient responds to radiotherapy.

    A concept is a scanner. The scanners of the hospitals have the first numbers, and the changed
    scanner or protocol has the last one.

    Args:
        config: hospitals, patients and the change.
        seed: decides the patients.

    Returns:
        The stream, with a node for each hospital.

    Example:
        >>> stream = mri_stream(MRIConfig(hospitals=2, patients=4, steps=3, at=1), seed=0)
        >>> stream.batches[0].x.shape  # four features of each of four sequences
        (2, 4, 16)
        >>> stream.changed.tolist()
        [[False, False], [False, True], [False, False]]
    """
    rng = np.random.default_rng(seed)
    scanner = np.arange(config.hospitals) % len(SCANNERS)
    concept = np.tile(scanner, (config.steps, 1))
    concept[config.at :, config.where] = len(SCANNERS)
    batches = []
    for row in concept:
        drawn = [_hospital(config, node, c == len(SCANNERS), rng) for node, c in enumerate(row)]
        x, y = (np.stack(part) for part in zip(*drawn, strict=True))
        batches.append(Batch(x, y, y, np.ones(y.shape, bool)))
    names = tuple(f"hospital-{k + 1}" for k in range(config.hospitals))
    classes = ("no response", "response")
    features = tuple(f"{sequence} {name}" for sequence in STRUCTURAL for name in _STATISTICS)
    arrivals = tuple(
        tuple(_arrived(x, c) for x, c in zip(batch.x, row, strict=True))
        for batch, row in zip(batches, concept, strict=True)
    )
    stream = Stream(names, classes, tuple(batches), concept, simulated=True)
    return replace(stream, features=features, arrivals=arrivals)


def _arrived(x: Array, scanner: int) -> Arrivals:
    """Return the rows of a hospital, whose images name their scanner."""
    return replace(Arrivals.of(x), device=np.full(len(x), f"scanner {scanner + 1}"))


def _hospital(
    config: MRIConfig, node: int, changed: bool, rng: np.random.Generator
) -> tuple[Array, Labels]:
    """Draw the features (patient, feature) and labels (patient,) of a hospital in one step."""
    scanner = SCANNERS[node % len(SCANNERS)]
    sequences = {}
    if changed and config.change == "scanner":
        successor = SCANNERS[(node + 1) % len(SCANNERS)]
        scanner = replace(successor, gain=2 * scanner.gain, contrast=scanner.contrast * 1.35)
    if changed and config.change == "protocol":
        sequences = {Sequence.FLAIR: 0.6, Sequence.T2: 1.5}
    share = rng.dirichlet([2.0] * len(TISSUES_OF_TUMOUR), config.patients)
    logit = sum(
        _RESPONSE[name] * (share[:, k] - 1 / share.shape[1]) * _STRENGTH
        for k, name in enumerate(TISSUES_OF_TUMOUR)
    )
    y = (rng.random(config.patients) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    columns = [
        _features(scanner, sequence, sequences.get(sequence, 1.0), share, config.normalised, rng)
        for sequence in STRUCTURAL
    ]
    return np.concatenate(columns, axis=1), y


def _features(
    scanner: Scanner,
    sequence: Sequence,
    protocol: float,
    share: Array,
    normalised: bool,
    rng: np.random.Generator,
) -> Array:
    """Draw mean, standard deviation, 10th and 90th percentile of intensities (patient, 4)."""
    signal = relative_signal(sequence, scanner.contrast * protocol)
    tumour = signal[-share.shape[1] :]
    tissue = np.stack([rng.choice(share.shape[1], _VOXELS, p=row) for row in share])
    bias = 1 + scanner.bias * (rng.random((len(share), 1)) - 0.5)
    real, imaginary = rng.normal(0, scanner.noise * signal.max(), (2, *tissue.shape))
    intensity = scanner.gain * np.hypot(bias * tumour[tissue] + real, imaginary)
    if normalised:
        intensity = intensity / (scanner.gain * signal[_WHITE_MATTER])
    percentiles = np.quantile(intensity, [0.1, 0.9], axis=1)
    statistics = [intensity.mean(axis=1), intensity.std(axis=1), *percentiles]
    return np.column_stack(statistics) * (1 if normalised else 1 / 1000)
