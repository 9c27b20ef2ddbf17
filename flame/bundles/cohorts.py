"""Reads patients to predict or to validate: a table, a preprocessed centre, or one patient."""

from dataclasses import replace
from pathlib import Path

from flame.bundles.model import Model
from flame.core.cohort import Cohort
from flame.core.errors import BadInput
from flame.federation.sections import DataConfig
from flame.federation.tasks.cohorts import prepared
from flame.io.columns import read_local
from flame.io.tables import read_table, read_table_cohort


def read_cohorts(model: Model, target: Path, with_outcome: bool) -> list[Cohort]:
    """Read the patients of a table or of preprocessed images, as a model needs them.

    Args:
        model: the model, whose section ``data`` names the columns of tables.
        target: a table with one row per patient; a centre of ``flame preprocess``; or one of its
            folders ``sub-..``.
        with_outcome: whether the columns of survival must be there.

    Returns:
        One cohort per centre; one for a table without a column of centres.

    Raises:
        BadInput: the target does not exist or does not suit the model; the message says how.
    """
    if not target.exists():
        raise BadInput(f"{target} does not exist; give a table, or a folder of flame preprocess")
    cohorts = [_images(model, target)] if target.is_dir() else _table(model, target, with_outcome)
    folder = target.parent if target.is_file() or target.name.startswith("sub-") else target
    own = model.config
    config = replace(own, data=_source(own.data, target))
    return [prepared(cohort, config, folder) for cohort in cohorts]


def _table(model: Model, path: Path, with_outcome: bool) -> list[Cohort]:
    config = model.config
    if config.model.sequences or config.model.treatment:
        raise BadInput(f"{path} is no folder, but {model.name} needs preprocessed images or plans")
    data = config.data
    names = data.survival if with_outcome else ()
    features = [f for f in config.columns() if f in {*config.model.clinical, *data.include}]
    columns = read_local(path.parent, data.declared, features)
    own = [columns.written(feature) for feature in features]
    table = read_table(path, [data.id_column, *own, *names])
    if table.empty:
        raise BadInput(f"{path} has no rows; give a table with one row per patient")
    known = data.centre_column in table
    centres = sorted(table[data.centre_column].dropna().unique()) if known else [path.stem]
    column = data.centre_column if known else ""
    survival = dict(zip(("survival_days", "died", "entry_days"), names, strict=False))
    ids = data.id_column
    return [
        read_table_cohort(
            path,
            centre,
            column,
            ids,
            features,
            survival,
            data.simulated,
            columns=columns,
            outcomes=with_outcome,
        )
        for centre in centres
    ]


def _source(data: DataConfig, target: Path) -> DataConfig:
    """Return the section ``data`` with a table or a folder in the place of that of the training."""
    folder = str(target) if target.is_dir() else ""
    return replace(data, bids=folder, table="" if folder else str(target))


def _images(model: Model, folder: Path) -> Cohort:
    # SimpleITK and numba are slow to load, and tables do not need them.
    from flame.federation.tasks.image_cohorts import load_images

    one = folder.name.startswith("sub-")
    root = folder.parent if one else folder
    config = replace(model.config, data=_source(model.config.data, root))
    only = folder.name.removeprefix("sub-") if one else ""
    cohort = load_images(config, root.name, model.task.view(), only)
    if not cohort.patients:
        raise BadInput(f"{folder}: no patient is in participants.tsv, or all are excluded")
    return cohort
