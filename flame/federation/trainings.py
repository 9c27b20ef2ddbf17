"""Which trainings a run consists of, and who takes part in each."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Federation:
    """One training: the centres whose patients it may see, and which fold is held out.

    ``fold`` None means that nothing of these centres is held out. ``start`` names the training
    whose model this one goes on from; empty: it begins anew.
    """

    model: str
    centres: tuple[str, ...]
    seed: int
    folds: int
    fold: int | None = None
    start: str = ""

    @property
    def name(self) -> str:
        """Name of the training, unique in a run and fit for a file name."""
        part = "all" if self.fold is None else f"fold-{self.fold}"
        return f"{self.model}.seed-{self.seed}.{part}"


def who(federation: Federation) -> dict[str, Any]:
    """The patients of a training, as sites are told."""
    fold = -1 if federation.fold is None else federation.fold
    return {
        "seed": federation.seed,
        "folds": federation.folds,
        "fold": fold,
        "centres": list(federation.centres),
    }


FEDERATED, POOLED, LOCAL = "federated", "pooled", "local"
PERSONALISED = "personalised"


def without(kind: str, centre: str) -> str:
    """Name of the model of ``kind`` that never saw ``centre``."""
    return f"{kind}-without-{centre}"


def local(centre: str) -> str:
    """Name of the model of one centre alone."""
    return f"{LOCAL}-{centre}"


def personalised(centre: str) -> str:
    """Name of the federated model that went on at one centre."""
    return f"{PERSONALISED}-{centre}"


def _with_folds(model: str, centres: tuple[str, ...], seed: int, folds: int) -> list[Federation]:
    everything = [Federation(model, centres, seed, folds)]
    return everything + [Federation(model, centres, seed, folds, fold) for fold in range(folds)]


def joint_trainings(
    kind: str, centres: tuple[str, ...], seeds: tuple[int, ...], folds: int
) -> list[Federation]:
    """Trainings over several centres: all of them (whole and by fold), and all but each one."""
    plan = []
    for seed in seeds:
        plan += _with_folds(kind, centres, seed, folds)
        if len(centres) > 1:
            for centre in centres:
                others = tuple(c for c in centres if c != centre)
                plan.append(Federation(without(kind, centre), others, seed, folds))
    return plan


def local_trainings(
    centres: tuple[str, ...], seeds: tuple[int, ...], folds: int
) -> list[Federation]:
    """Trainings of each centre on its own patients."""
    return [
        training
        for seed in seeds
        for centre in centres
        for training in _with_folds(local(centre), (centre,), seed, folds)
    ]


def personalised_trainings(
    centres: tuple[str, ...], seeds: tuple[int, ...], folds: int
) -> list[Federation]:
    """Trainings of each centre that go on from the federated model of the same fold."""
    plan = []
    for seed in seeds:
        starts = _with_folds(FEDERATED, centres, seed, folds)
        for centre in centres:
            own = _with_folds(personalised(centre), (centre,), seed, folds)
            plan += [replace(t, start=s.name) for t, s in zip(own, starts, strict=True)]
    return plan
