"""Which trainings a run consists of, and who takes part in each."""

from dataclasses import dataclass, replace
from typing import Any

FEDERATED, POOLED, LOCAL = "federated", "pooled", "local"
PERSONALISED = "personalised"


@dataclass(frozen=True)
class Training:
    """One training: the centres whose patients it may see, and which fold is held out.

    Args:
        kind: federated, pooled, local, personalised, or the strategy that it is compared with.
        centres: centres that take part.
        seed: decides folds and initial weights.
        folds: number of folds within each centre.
        fold: the fold that is held out; None: nobody of these centres.
        start: name of the training whose model this one continues from; empty: none.
        left_out: the centre that takes no part; empty: none.
    """

    kind: str
    centres: tuple[str, ...]
    seed: int
    folds: int
    fold: int | None = None
    start: str = ""
    left_out: str = ""

    @property
    def model(self) -> str:
        """Name of the model.

        Example:
            >>> Training(LOCAL, ("a",), 0, 5).model
            'local-a'
            >>> Training(FEDERATED, ("a", "b"), 0, 5, left_out="c").model
            'federated-without-c'
        """
        if self.left_out:
            return f"{self.kind}-without-{self.left_out}"
        if self.kind in (LOCAL, PERSONALISED):
            return f"{self.kind}-{self.centres[0]}"
        return self.kind

    @property
    def name(self) -> str:
        """Name of the training, unique in a run and fit for a file name."""
        part = "all" if self.fold is None else f"fold-{self.fold}"
        return f"{self.model}.seed-{self.seed}.{part}"


def who(training: Training) -> dict[str, Any]:
    """The patients of a training, as sites are sent them."""
    return {
        "seed": training.seed,
        "folds": training.folds,
        "fold": -1 if training.fold is None else training.fold,
        "centres": list(training.centres),
    }


def final_training(centres: tuple[str, ...], seed: int) -> Training:
    """The federated training that learned from all patients of all centres."""
    return Training(FEDERATED, centres, seed, 0)


def _with_folds(kind: str, centres: tuple[str, ...], seed: int, folds: int) -> list[Training]:
    whole = [Training(kind, centres, seed, folds)]
    return whole + [Training(kind, centres, seed, folds, fold) for fold in range(folds)]


def joint_trainings(
    kind: str, centres: tuple[str, ...], seeds: tuple[int, ...], folds: int
) -> list[Training]:
    """Trainings over several centres: all of them (whole and by fold), and all but each one."""
    trainings = []
    for seed in seeds:
        trainings += _with_folds(kind, centres, seed, folds)
        if len(centres) > 1:
            for centre in centres:
                others = tuple(c for c in centres if c != centre)
                trainings.append(Training(kind, others, seed, folds, left_out=centre))
    return trainings


def local_trainings(centres: tuple[str, ...], seeds: tuple[int, ...], folds: int) -> list[Training]:
    """Trainings of each centre on its own patients."""
    return [
        training
        for seed in seeds
        for centre in centres
        for training in _with_folds(LOCAL, (centre,), seed, folds)
    ]


def personalised_trainings(
    centres: tuple[str, ...], seeds: tuple[int, ...], folds: int
) -> list[Training]:
    """Trainings of each centre that continue from the federated model of the same fold."""
    trainings = []
    for seed in seeds:
        starts = _with_folds(FEDERATED, centres, seed, folds)
        for centre in centres:
            own = _with_folds(PERSONALISED, (centre,), seed, folds)
            trainings += [replace(t, start=s.name) for t, s in zip(own, starts, strict=True)]
    return trainings
