"""Phrases for the reports on response and survival."""

from flame.federation.config import TrainConfig


def predictor_text(config: TrainConfig) -> str:
    """List the inputs of the model.

    Args:
        config: the configuration of the run.

    Returns:
        The inputs, separated by commas.
    """
    model = config.model
    parts: list[str] = [*model.sequences]
    if model.clinical:
        parts.append(f"{len(model.clinical)} clinical features")
    if model.treatment:
        parts.append("radiotherapy")
    return ", ".join(parts)


def missing_text(config: TrainConfig) -> str:
    """Describe how missing values are handled.

    Args:
        config: the configuration of the run.

    Returns:
        A phrase for the checklist of a report.
    """
    marked = ", and a column marks them" if config.model.missing == "indicator" else ""
    return f"values are replaced by the mean of the training patients of all centres{marked}"


def regression_text(config: TrainConfig) -> str:
    """Describe how a regression from sums was trained.

    Args:
        config: the configuration of the run.

    Returns:
        A phrase for the checklist of a report, with the penalty or how it was chosen.
    """
    penalizer = config.regression.penalizer
    penalty = (
        "chosen by cross-validation within the training patients"
        if penalizer is None
        else f"{penalizer:g}"
    )
    return f"regression by Newton's method from sums of the centres; penalty {penalty}"
