"""Calibration where patients are too few to hold some out: by leaving out one at a time."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from flame.core.errors import BadInput
from flame.models.evolution.model import (
    LEAST_ML,
    EvolutionCase,
    EvolutionModel,
    Forecast,
    VolumeErrors,
    agreeing,
)


class LeaveOneOut:
    """Evolution model whose volumes have the errors that it makes on patients it has not seen.

    Each training patient is forecast by a model of the others; the errors of the median volumes
    give the band, see ``VolumeErrors``. The model itself learns from all.

    Args:
        new: makes an untrained model.
    """

    def __init__(self, new: Callable[[], EvolutionModel]) -> None:
        self.new = new
        self.errors = VolumeErrors()

    def fit(self, cases: list[EvolutionCase]) -> None:
        """See ``EvolutionModel``; BadInput of fewer than two patients."""
        if len(cases) < 2:
            raise BadInput("one patient alone tells no error of a forecast: provide two or more")
        rows = []
        for case in cases:
            model = self.new()
            model.fit([other for other in cases if other is not case])
            forecasts = model.forecast(case, tuple(day for day, _ in case.later))
            for forecast, (day, mask) in zip(forecasts, case.later, strict=True):
                middle = max(float(np.median(forecast.volumes)), LEAST_ML)
                rows.append((case.log_ml(mask) - np.log(middle), day - case.day))
        errors, elapsed = np.array(rows, float).T
        self.errors.fit(errors, elapsed, len(cases))
        self.model = self.new()
        self.model.fit(cases)

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        """See ``EvolutionModel``."""
        forecasts = []
        for forecast in self.model.forecast(case, days):
            middle = float(np.median(forecast.volumes))
            volumes = self.errors.samples(middle, forecast.day - case.day)
            forecasts.append(agreeing(replace(forecast, volumes=volumes), case.voxel_ml))
        return forecasts
