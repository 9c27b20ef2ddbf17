"""BraTS and FeTS: pre-operative glioma; FeTS tells the centre of every patient."""

from pathlib import Path

from flame.core.imaging import Sequence
from flame.io.datasets.layout import (
    DATASETS,
    PublicData,
    Visit,
    clinical_table,
    gaps,
    one,
    scans_in,
    visits_like,
)
from flame.io.tables import read_table

NEW = {
    Sequence.T1: ("*-t1n.nii.gz",), Sequence.T1C: ("*-t1c.nii.gz",),
    Sequence.T2: ("*-t2w.nii.gz",), Sequence.FLAIR: ("*-t2f.nii.gz",),
}  # fmt: skip
OLD = {
    Sequence.T1: ("*_t1.nii.gz",), Sequence.T1C: ("*_t1ce.nii.gz",),
    Sequence.T2: ("*_t2.nii.gz",), Sequence.FLAIR: ("*_flair.nii.gz",),
}  # fmt: skip
_BEFORE_SURGERY = -1
_PARTITIONS = "partitioning_1.csv"


class Brats:
    """``BraTS-GLI-00000-000/...-{t1c,t1n,t2f,t2w,seg}.nii.gz`` since 2023, before it ``_t1ce``.

    FeTS has ``partitioning_1.csv`` with Partition_ID and Subject_ID: a centre a partition.
    """

    source = "BraTS, Menze 2015, doi:10.1109/TMI.2014.2377694; FeTS, Pati 2021, arXiv:2105.05874"
    licence = "see its organisers"

    def read(self, root: Path) -> PublicData:
        """See ``Layout``."""
        example = "BraTS-GLI-00000-000/BraTS-GLI-00000-000-t1c.nii.gz"
        contrast = visits_like(root, "**/*[-_]t1c*.nii.gz", example)
        recent = contrast[0].name.endswith("-t1c.nii.gz")
        visits = [
            Visit(
                folder.name, "01", _BEFORE_SURGERY, scans_in(folder, NEW if recent else OLD),
                one(folder, "*-seg.nii.gz" if recent else "*_seg.nii.gz"),
            )
            for folder in dict.fromkeys(path.parent for path in contrast)
        ]  # fmt: skip
        missing = gaps(visits)
        centres = self._centres(root, [v.patient for v in visits], missing)
        return PublicData(
            visits, "brats-2023" if recent else "brats", self._survival(root, missing), {}, centres,
            missing,
        )  # fmt: skip

    def _centres(self, root: Path, patients: list[str], missing: list[str]) -> dict[str, str]:
        path = one(root, _PARTITIONS, f"**/{_PARTITIONS}")
        if path is None:
            missing.append(f"no table {_PARTITIONS}: all patients are one centre")
            return {}
        table = read_table(path, ["Partition_ID", "Subject_ID"])
        found = {str(s): f"centre-{p}" for s, p in zip(table.Subject_ID, table.Partition_ID,
                                                       strict=True)}  # fmt: skip
        without = sum(p not in found for p in patients)
        if without:
            missing.append(f"{path.name} has no row for {without} of {len(patients)} patients")
        return found

    def _survival(self, root: Path, missing: list[str]) -> dict[str, dict[str, float]]:
        path = one(root, "survival*.csv", "**/survival*.csv")
        if path is None:
            missing.append("no table survival*.csv: no age and no survival")
            return {}
        header = list(read_table(path).columns)
        renamed = {"Survival": "survival_days", "Age": "age"}
        return clinical_table(path.parent, path.name, header[0], renamed, missing)


DATASETS.register("brats")(Brats())
