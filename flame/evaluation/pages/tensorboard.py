"""Writes the history of a run as TensorBoard event files."""

from pathlib import Path

import pandas as pd

from flame.core.errors import BadInput

FOLDER = "tensorboard"
"""Folder of the event files inside the run folder."""
_FIGURES = ("loss", "seconds", "validation")
"""Columns of the history that become curves."""


def export(history: pd.DataFrame, run: Path) -> None:
    """Write event files: one folder for each training, one curve for each site and column.

    The columns are loss, seconds and validation loss. Earlier event files are replaced, so an
    export can be repeated during a run.

    Args:
        history: table of history.csv.
        run: run folder.

    Raises:
        BadInput: TensorBoard is not installed.
    """
    import flame.core.keras_import  # noqa: F401  (TensorBoard imports TensorFlow)

    try:
        from tensorboard.summary import Writer
    except ImportError:
        raise BadInput("TensorBoard is not installed: pip install tensorboard") from None
    for training, part in history.groupby("training"):
        folder = run / FOLDER / str(training)
        old = list(folder.glob("events.*"))
        writer = Writer(str(folder))
        for name in (n for n in _FIGURES if n in part):
            for row in part[part[name].notna()].to_dict("records"):
                writer.add_scalar(f"{name}/{row['site']}", row[name], step=row["round"])
        writer.close()
        for path in old:
            path.unlink(missing_ok=True)
