"""Figures of streams."""

import pandas as pd

from flame.evaluation.pages.stream_figures import accuracy_figure, node_figure


def rows(changed: bool) -> pd.DataFrame:
    cells = [
        {"method": m, "seed": 0, "step": s, "node": n, "accuracy": 0.5 + 0.1 * s}
        for m in ("one", "two")
        for s in (1, 2, 3)
        for n in ("a", "b")
    ]
    table = pd.DataFrame(cells).assign(changed=False, rows=20)
    table.loc[(table.step == 2) & (table.node == "a"), "changed"] = changed
    return table


def test_changes_of_concepts_are_drawn_where_there_are_some() -> None:
    with_bars, without = (accuracy_figure(rows(changed)) for changed in (True, False))
    # Bars for steps 1 to 3, and the axis on the right with its ticks and label.
    assert len(with_bars) > len(without)
    assert node_figure(rows(True)) != node_figure(rows(False))
