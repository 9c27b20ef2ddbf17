"""Reader of CFB-GBM: glioblastoma before and after photon radiotherapy, with tumour and dose."""

from pathlib import Path

from flame.core.imaging import Sequence
from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.datasets.layout import (
    DATASETS,
    NOMINAL_DAYS,
    PublicData,
    Visit,
    clinical_table,
    gaps,
    number_in,
    one,
    scans_in,
    visits_like,
)
from flame.io.tables import line_of, number, read_table

SCANS = {
    Sequence.T1: ("*_t1.nii.gz",),
    Sequence.T1C: ("*_t1gd.nii.gz",),
    Sequence.T2: ("*_t2.nii.gz",),
    Sequence.FLAIR: ("*_flair.nii.gz",),
}
"""File names by sequence."""
_KEY = "id_patient"
"""Column with the id of the patient in every table."""
_TREATMENT = "CFB-GBM_treatment_data*.tsv"
_DOSE = "dose (Gy)"
_FRACTIONS = "fractions_number"


class CfbGbm:
    """Reads ``<patient>/<t0..t2>/<patient>_<t>_{t1gd,gtv,brain_mask,rtdose}.nii.gz`` and tables."""

    source = "CFB-GBM, The Cancer Imaging Archive"
    licence = "see its page at The Cancer Imaging Archive"

    def read(self, root: Path) -> PublicData:
        """Read CFB-GBM, see ``Layout.read``."""
        visits = []
        for folder in visits_like(root, "*/t[0-9]/", "<patient>/t0/<patient>_t0_t1gd.nii.gz"):
            order = number_in(folder.name)
            visits.append(
                Visit(
                    folder.parent.name,
                    folder.name,
                    NOMINAL_DAYS * order,
                    scans_in(folder, SCANS),
                    tumour=one(folder, "*_gtv.nii.gz"),
                    dose=one(folder, "*_rtdose.nii.gz"),
                    brain=one(folder, "*_brain_mask.nii.gz"),
                    note="the day is nominal",
                )
            )
        missing = gaps(visits)
        pattern = "CFB-GBM_clinical_data*.tsv"
        clinical = clinical_table(root, pattern, _KEY, {}, missing)
        treatments = self._treatments(root, missing)
        return PublicData(visits, "brats", clinical, treatments, {}, missing)

    def _treatments(self, root: Path, missing: list[str]) -> dict[str, Treatment]:
        path = one(root, _TREATMENT, f"**/{_TREATMENT}")
        if path is None:
            missing.append(f"no table {_TREATMENT}: no courses of radiotherapy")
            return {}
        treatments = {}
        for index, row in read_table(path, [_KEY, _DOSE, _FRACTIONS]).iterrows():
            where = line_of(path, index)
            dose = number(row[_DOSE], where, _DOSE)
            fractions = number(row[_FRACTIONS], where, _FRACTIONS)
            if dose > 0 and fractions >= 1:
                phase = Phase(Radiation.PHOTON, dose, int(fractions))
                treatments[str(row[_KEY])] = Treatment((phase,))
        return treatments


DATASETS.register("cfb-gbm")(CfbGbm())
