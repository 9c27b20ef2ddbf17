"""Public data sets of glioma MRI, one module each, in the layout that their publishers use.

A table of NIfTI files is read in the same way.

Importing this package registers them.
"""

from flame.io.datasets import (  # noqa: F401  (they register themselves)
    brain_tumor_progression,
    brats,
    cfb_gbm,
    lumiere,
    mu_glioma_post,
    nifti_table,
    rhuh_gbm,
    sailor,
    ucsf_alptdg,
    upenn_gbm,
)
