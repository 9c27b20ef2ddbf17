"""Changes of concept in a stream, and how alarms of learners and detectors relate to them."""

import pandas as pd


def with_changes(rows: pd.DataFrame) -> pd.DataFrame:
    """Number the changes of each node, and mark the calm steps.

    Args:
        rows: rows by step with the columns ``node`` and ``changed``, sorted by step.

    Returns:
        The rows with two more columns. ``change`` numbers the changes of each node from 1;
        successive steps at which the concept changes are one change, and steps without a change
        have 0. ``calm`` is False during a change and in the step after it, in which a late alarm is
        not a false one.

    Example:
        >>> rows = pd.DataFrame({"node": "a", "changed": [False, True, True, False, False]})
        >>> with_changes(rows)[["change", "calm"]].to_numpy().tolist()
        [[0, True], [1, False], [1, False], [0, False], [0, True]]
    """
    keys = _keys(rows)
    changed_before = rows.changed.groupby(keys).shift(fill_value=False)
    change = (rows.changed & ~changed_before).groupby(keys).cumsum().where(rows.changed, 0)
    return rows.assign(change=change, calm=~rows.changed & ~changed_before)


def own_alarms(run: pd.DataFrame) -> tuple[float, float]:
    """Compare a learner's own alarms with the changes.

    Args:
        run: the table that ``prequential`` returns.

    Returns:
        The share of changes with an alarm during the change, and the alarms per 100 calm steps of a
        node. NaN where the learner raises no alarms or the concepts are unknown.
    """
    if run.alarm.isna().all():
        return float("nan"), float("nan")
    rows = with_changes(run)
    during = rows[rows.change > 0]
    calm = rows[rows.calm & (rows.concept >= 0)]
    detected = during.alarm.astype(bool).groupby(_keys(during, "change")).any()
    return float(detected.mean()), float(100 * calm.alarm.astype(float).mean())


def detection(rows: pd.DataFrame, column: str) -> tuple[float, float, float]:
    """Compare the alarms of a drift detector with the changes.

    The step after a change counts neither as a detection nor as a false alarm.

    Args:
        rows: rows by step with the columns ``node``, ``changed``, ``rows`` and ``column``.
        column: column with the row of a step's first alarm, from 1; NaN: no alarm.

    Returns:
        The share of changes with an alarm, the median number of rows from the beginning of a change
        to its first alarm, and the percentage of calm steps with an alarm.
    """
    rows = with_changes(rows)
    during = rows[rows.change > 0]
    calm = rows[rows.calm]
    before = during.rows.groupby(_keys(during, "change")).cumsum() - during.rows
    delay = (before + during[column]).groupby(_keys(during, "change")).min()
    known = delay.dropna()
    return (
        float(delay.notna().mean()),
        float(known.median()) if len(known) else float("nan"),
        float(100 * calm[column].notna().mean()) if len(calm) else float("nan"),
    )


def _keys(rows: pd.DataFrame, *more: str) -> list[pd.Series]:
    """Return the columns to group by, as far as the rows have them."""
    return [rows[name] for name in ("method", "seed", "node", *more) if name in rows]
