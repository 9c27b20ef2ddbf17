"""The preprocessed patients of a centre, read as a ``Cohort`` on the grid that a model needs."""

import json
from dataclasses import replace
from pathlib import Path

from flame.core.cohort import Cohort, Patient, View
from flame.core.errors import BadInput
from flame.core.files import content_hash
from flame.core.imaging import MAPS, STRUCTURAL
from flame.io.bids import INDIVIDUAL, PREDICTED, read_timepoint
from flame.io.tables import OUTCOME_COLUMNS, number, outcome, read_table, read_treatments
from flame.preprocessing.quality.reviews import EXCLUDE, FILE, decision, read_decisions
from flame.preprocessing.stages.resampling import coarser

_SIDECARS = "sub-*/ses-*/anat/*_desc-brain_mask.json"
"""Pattern of the sidecars of brain masks: each finished session has one."""


def at_spacing(spacing: float) -> View:
    """Build a view that resamples the images of a patient to a voxel size.

    Args:
        spacing: voxel size in mm.

    Returns:
        View from a patient to the patient with resampled images.
    """

    def view(patient: Patient) -> Patient:
        timepoints = tuple(coarser(t, spacing) for t in patient.timepoints)
        return replace(patient, timepoints=timepoints)

    return view


def read_cohort(
    root: Path,
    centre: str,
    view: View | None,
    limit: int | None = None,
    only: str = "",
    maps: bool = False,
) -> Cohort:
    """Read the BIDS derivatives of a centre.

    Each patient is reduced to its view as soon as it is read. Days and patients that decisions.tsv
    excludes are left out.

    Args:
        root: output folder of ``flame preprocess``.
        centre: name of the centre.
        view: function that reduces a patient to the part that is needed; None: no image is read.
        limit: largest number of patients; None: all.
        only: subject to read, without its BIDS prefix; empty: all.
        maps: whether diffusion and perfusion maps are read, too.

    Returns:
        Cohort with a manifest of content hashes of the tables and sessions that were read.

    Raises:
        BadInput: ``flame preprocess`` has not finished in this folder, or an earlier version wrote
            it.
    """
    table = root / "participants.tsv"
    description = root / "dataset_description.json"
    if not table.exists() or not description.exists():
        raise BadInput(f"{root} is no finished cohort; run flame preprocess with it as OUT")
    _check_space(root)
    treatments = read_treatments(root / "treatments.tsv")
    decisions = read_decisions(root)
    sequences = (*STRUCTURAL, *MAPS) if maps else STRUCTURAL
    patients = []
    for index, row in read_table(table, ["participant_id"])[:limit].iterrows():
        subject = str(row["participant_id"]).removeprefix("sub-")
        if decision(decisions, subject, "", None) == EXCLUDE or only not in ("", subject):
            continue
        where = f"{table}, line {int(str(index)) + 2}"
        clinical = {
            str(k): number(v, where, str(k))
            for k, v in row.items()
            if k not in ("participant_id", *OUTCOME_COLUMNS)
        }
        timepoints = tuple(
            read_timepoint(root, subject, session, day, sequences)
            for session, day in sessions(root, subject)
            if view and decision(decisions, subject, session, day) != EXCLUDE
        )
        patient = Patient(
            subject, timepoints, treatments.get(subject), clinical, outcome(row.to_dict(), where)
        )
        patients.append(view(patient) if view else patient)
    simulated = bool(json.loads(description.read_text()).get("Simulated"))
    manifest = {p.name: content_hash([p]) for p in (table, root / "treatments.tsv")}
    manifest |= {
        str(path.parent.parent.relative_to(root)): json.loads(path.read_text())["InputHash"]
        for path in sorted(root.glob(_SIDECARS))
    }
    manifest |= {
        str(path.relative_to(root)): content_hash([path])
        for path in sorted(root.glob(f"sub-*/ses-*/anat/*{PREDICTED}"))
    }
    if decisions:
        manifest[FILE] = content_hash([root / FILE])
    return Cohort(centre, tuple(patients), simulated, manifest)


def _check_space(root: Path) -> None:
    """Refuse images of the template's size."""
    for path in root.glob(_SIDECARS):
        if f"space-{INDIVIDUAL}_" not in path.name:
            raise BadInput(
                f"{root} was made by an earlier version of FLAME, which scaled each head to the "
                "template; run flame preprocess again with it as OUT"
            )


def sessions(root: Path, subject: str) -> list[tuple[str, int]]:
    """List the finished sessions of a subject.

    Args:
        root: output folder of ``flame preprocess``.
        subject: subject without its BIDS prefix.

    Returns:
        Session, without its BIDS prefix, and day from the start of radiotherapy, in order of days.
    """
    days = []
    for path in sorted(root.glob(_SIDECARS.replace("*", subject, 1))):
        day = int(json.loads(path.read_text())["Day"])
        days.append((path.parent.parent.name.removeprefix("ses-"), day))
    return sorted(days, key=lambda item: (item[1], item[0]))
