"""Sample size by the criteria of Riley et al. for models of a binary outcome or of survival."""

import math

SHRINKAGE = 0.9
"""Shrinkage of the coefficients that is acceptable: overfitting of 10 %."""
MARGIN = 0.05
"""Margin of error of the overall share of patients with the outcome."""
EXPLAINED = 0.15
"""Share of the largest possible Cox-Snell R2 that a model is expected to reach, by default."""


def required_patients(parameters: int, share: float) -> int:
    """Compute how many patients a model of a binary outcome needs.

    Two criteria: coefficients shrink by at most 10 %, n = p / ((S - 1) log(1 - R2 / S)); and the
    overall share is known within 0.05, n = (1.96 / 0.05)^2 q (1 - q). R2 is 15 % of the largest
    Cox-Snell R2, 1 - (q^q (1 - q)^(1 - q))^2.

    Args:
        parameters: number p of candidate parameters.
        share: expected share q of patients with the outcome, between 0 and 1.

    Returns:
        The larger of both numbers.

    Reference:
        Riley 2020, doi:10.1136/bmj.m441.

    Example:
        R2 at most 0.75 for q = 0.5; 0.15 * 0.75 = 0.1125; 5 / (-0.1 * log(1 - 0.125)) = 374.4.

        >>> required_patients(5, 0.5)
        385
        >>> required_patients(6, 0.5)
        450
    """
    largest = 1 - (share**share * (1 - share) ** (1 - share)) ** 2
    explained = EXPLAINED * largest
    shrinkage = parameters / ((SHRINKAGE - 1) * math.log(1 - explained / SHRINKAGE))
    overall = (1.96 / MARGIN) ** 2 * share * (1 - share)
    return math.ceil(max(shrinkage, overall))


def sample_size_text(parameters: int, patients: int, events: int) -> str:
    """Say whether a run has the patients that Riley's criteria ask for.

    Args:
        parameters: number of candidate parameters of the model.
        patients: number of patients of known outcome.
        events: number of those with the outcome.

    Returns:
        A sentence for the report.

    Example:
        >>> sample_size_text(5, 200, 100)
        '200 patients, 100 with the outcome, for 5 parameters; Riley 2020 asks for 385 (R2 of 15 %)'
    """
    told = f"{patients} patients, {events} with the outcome, for {parameters} parameters"
    if not 0 < events < patients or not parameters:
        return f"{told}; no calculation"
    needed = required_patients(parameters, events / patients)
    return f"{told}; Riley 2020 asks for {needed} (R2 of {100 * EXPLAINED:.0f} %)"
