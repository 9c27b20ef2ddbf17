"""Phrases that reports on response and survival share."""

from flame.federation.config import TrainConfig


def predictor_text(config: TrainConfig) -> str:
    """List the inputs of the model.

    Args:
        config: the configuration of the run.
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
    """
    own = ", and a column says that they are missing" if config.model.missing == "indicator" else ""
    return f"values are put at the mean of the training patients of all centres{own}"


def regression_text(config: TrainConfig) -> str:
    """Describe how a regression from sums was trained.

    Args:
        config: the configuration of the run.
    """
    penalizer = config.regression.penalizer
    chosen = (
        "chosen by cross-validation within the training patients"
        if penalizer is None
        else f"{penalizer:g}"
    )
    return f"regression by Newton's method from sums of the centres; penalty {chosen}"
