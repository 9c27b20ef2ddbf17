"""The trainings of a run, and the centres that take part in each."""

from dataclasses import dataclass, replace
from typing import Any

FEDERATED = "federated"
"""Kind of a training over several centres that share updates."""
POOLED = "pooled"
"""Kind of a training on the patients of all centres in one place."""
LOCAL = "local"
"""Kind of a training on the patients of one centre."""
PERSONALISED = "personalised"
"""Kind of a training of one centre that continues from the federated model."""
KINDS = (FEDERATED, POOLED, LOCAL, PERSONALISED)
"""Kinds that a strategy in ``federation.compare`` may not have the name of."""


@dataclass(frozen=True)
class Training:
    """One training: the centres whose patients it may see, and the fold that is held out.

    Args:
        kind: federated, pooled, local, personalised, or the strategy that it is compared with.
        centres: centres that take part.
        seed: decides folds and initial weights.
        folds: number of folds within each centre.
        fold: the fold that is held out; None: no patient of these centres is held out.
        start: name of the training whose model this one continues from; empty: none.
        left_out: the held-out centre, which takes no part; empty: none.
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
        """Name of the model, which the trainings of all seeds and folds share.

        Returns:
            The kind, with the centre of a training of one centre, or with the held-out centre.

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


def in_words(name: str) -> str:
    """Write the name of a training for people.

    Args:
        name: name of a training.

    Returns:
        Model, seed, and the fold that is held out, numbered from 1.

    Example:
        >>> in_words(Training(FEDERATED, ("a", "b"), 0, 5, fold=1, left_out="c").name)
        'federated without c, seed 0, without fold 2'
        >>> in_words("local-a.seed-3.all")
        'local a, seed 3'
    """
    model, seed, part = name.rsplit(".", 2)
    kind, _, held_out = model.partition("-without-")
    if not held_out and kind.startswith((f"{LOCAL}-", f"{PERSONALISED}-")):
        kind = kind.replace("-", " ", 1)
    words = [f"{kind} without {held_out}" if held_out else kind, seed.replace("-", " ", 1)]
    if part.startswith("fold-"):
        words.append(f"without fold {int(part.removeprefix('fold-')) + 1}")
    return ", ".join(words)


def who(training: Training) -> dict[str, Any]:
    """Return the description of a training's patients that sites receive: seed, fold, centres."""
    return {
        "seed": training.seed,
        "folds": training.folds,
        "fold": -1 if training.fold is None else training.fold,
        "centres": list(training.centres),
    }


def final_training(centres: tuple[str, ...], seed: int) -> Training:
    """Return the federated training that learns from all patients of all centres."""
    return Training(FEDERATED, centres, seed, 0)


def _with_folds(kind: str, centres: tuple[str, ...], seed: int, folds: int) -> list[Training]:
    whole = [Training(kind, centres, seed, folds)]
    return whole + [Training(kind, centres, seed, folds, fold) for fold in range(folds)]


def joint_trainings(
    kind: str, centres: tuple[str, ...], seeds: tuple[int, ...], folds: int
) -> list[Training]:
    """List the trainings over all centres (whole and by fold), and those over all but each one.

    Args:
        kind: kind of the trainings.
        centres: names of the centres.
        seeds: seeds; the list repeats for each of them.
        folds: number of folds within each centre.

    Returns:
        The trainings in order of seed. With one centre, none leaves a centre out.
    """
    trainings = []
    for seed in seeds:
        trainings += _with_folds(kind, centres, seed, folds)
        if len(centres) > 1:
            for centre in centres:
                others = tuple(c for c in centres if c != centre)
                trainings.append(Training(kind, others, seed, folds, left_out=centre))
    return trainings


def local_trainings(centres: tuple[str, ...], seeds: tuple[int, ...], folds: int) -> list[Training]:
    """List the trainings of each centre on its own patients, whole and by fold."""
    trainings = []
    for seed in seeds:
        for centre in centres:
            trainings += _with_folds(LOCAL, (centre,), seed, folds)
    return trainings


def personalised_trainings(
    centres: tuple[str, ...], seeds: tuple[int, ...], folds: int
) -> list[Training]:
    """List the trainings of each centre that continue from the federated model of the same fold."""
    trainings = []
    for seed in seeds:
        starts = _with_folds(FEDERATED, centres, seed, folds)
        for centre in centres:
            further = _with_folds(PERSONALISED, (centre,), seed, folds)
            trainings += [replace(t, start=s.name) for t, s in zip(further, starts, strict=True)]
    return trainings
