"""Simulated MRI cohorts in order of acquisition: a scanner is upgraded, a protocol changes.

A patient is a sample of voxels of the tumour, seen by the hospital's scanner as in
``flame.simulation.scanner``; what a model gets are a few intensities of each sequence.
"""

from dataclasses import dataclass, replace

import numpy as np

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.simulation.scanner import SCANNERS, TISSUES_OF_TUMOUR, Scanner, relative_signal
from flame.streams.networks.base import Array, Labels
from flame.streams.stream import Batch, Stream

CHANGES = ("scanner", "protocol")
_WHITE, _VOXELS, _STRENGTH = 2, 60, 12
_RESPONSE = {"enhancing": -2.5, "necrosis": -1.5, "oedema": 0.5}


@dataclass(frozen=True)
class MRIConfig:
    """``hospitals`` with ``patients`` a step; from ``at`` on the one numbered ``where`` is changed.

    A change of the scanner is another field, contrast, gain and noise; of the protocol, other
    contrast of FLAIR and T2. ``normalised`` divides by white matter, as a clinic without FLAME's
    preprocessing might not.
    """

    hospitals: int = 0
    patients: int = 60
    steps: int = 12
    at: int = 6
    where: int = 1
    change: str = "scanner"
    normalised: bool = True

    def __post_init__(self) -> None:
        if self.change not in CHANGES:
            raise BadInput(f"mri.change: one of {', '.join(CHANGES)}")
        if self.hospitals < 0 or self.patients < 1 or self.steps < 2:
            raise BadInput("mri.hospitals: 0 or more; mri.patients: 1 or more; steps: 2 or more")
        if self.hospitals and not 0 <= self.where < self.hospitals:
            raise BadInput(f"mri.where: a hospital from 0 to {self.hospitals - 1}")
        if not 0 < self.at < self.steps:
            raise BadInput(f"mri.at: a step from 1 to {self.steps - 1}, of {self.steps} from 0 on")


def mri_stream(config: MRIConfig, seed: int) -> Stream:
    """The stream; its outcome is whether the patient responds to radiotherapy.

    A concept is a scanner: that of the hospital, and the last one what it was changed to.
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
    return Stream(names, classes, tuple(batches), concept, simulated=True)


def _hospital(
    config: MRIConfig, node: int, changed: bool, rng: np.random.Generator
) -> tuple[Array, Labels]:
    scanner, sequences = SCANNERS[node % len(SCANNERS)], {}
    if changed and config.change == "scanner":
        other = SCANNERS[(node + 1) % len(SCANNERS)]
        scanner = replace(other, gain=2 * scanner.gain, contrast=scanner.contrast * 1.35)
    if changed and config.change == "protocol":
        sequences = {Sequence.FLAIR: 0.6, Sequence.T2: 1.5}
    share = rng.dirichlet([2.0] * len(TISSUES_OF_TUMOUR), config.patients)
    logit = sum(
        _RESPONSE[name] * (share[:, k] - 1 / share.shape[1]) * _STRENGTH
        for k, name in enumerate(TISSUES_OF_TUMOUR)
    )
    y = (rng.random(config.patients) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    columns = [
        _seen(scanner, sequence, sequences.get(sequence, 1.0), share, config.normalised, rng)
        for sequence in Sequence
    ]
    return np.concatenate(columns, axis=1), y


def _seen(
    scanner: Scanner,
    sequence: Sequence,
    protocol: float,
    share: Array,
    normalised: bool,
    rng: np.random.Generator,
) -> Array:
    """Mean, deviation and the 10th and 90th percentile of the tumour (patient, 4)."""
    signal = relative_signal(sequence, scanner.contrast * protocol)
    tumour = signal[-share.shape[1] :]
    kind = np.stack([rng.choice(share.shape[1], _VOXELS, p=row) for row in share])
    bias = 1 + scanner.bias * (rng.random((len(share), 1)) - 0.5)
    real, imaginary = rng.normal(0, scanner.noise * signal.max(), (2, *kind.shape))
    seen = scanner.gain * np.hypot(bias * tumour[kind] + real, imaginary)
    if normalised:
        seen = seen / (scanner.gain * signal[_WHITE])
    found = [seen.mean(axis=1), seen.std(axis=1), *np.quantile(seen, [0.1, 0.9], axis=1)]
    return np.column_stack(found) * (1 if normalised else 1 / 1000)
