"""Phrases that reports of response and survival share."""

from flame.federation.config import TrainConfig


def predictor_text(config: TrainConfig) -> str:
    """What the model sees."""
    model = config.model
    parts: list[str] = [*model.sequences]
    if model.clinical:
        parts.append(f"{len(model.clinical)} clinical features")
    if model.treatment:
        parts.append("radiotherapy")
    return ", ".join(parts)


def missing_text(config: TrainConfig) -> str:
    """What becomes of missing values."""
    own = ", and a column says that they are missing" if config.model.missing == "indicator" else ""
    return f"values are put at the mean of the training patients of all centres{own}"


def regression_text(config: TrainConfig) -> str:
    """How a regression from sums was trained."""
    penalizer = config.regression.penalizer
    chosen = (
        "chosen by cross-validation within the training patients"
        if penalizer is None
        else f"{penalizer:g}"
    )
    return f"regression by Newton's method from sums of the centres; penalty {chosen}"
