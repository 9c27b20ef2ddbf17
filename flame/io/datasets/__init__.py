"""Public data sets of glioma MRI, one module each, read in the layout that their publishers use.

Importing this package registers them.
"""

from flame.io.datasets import (  # noqa: F401  (they register themselves)
    brats,
    cfb_gbm,
    lumiere,
    mu_glioma_post,
    sailor,
    ucsf_alptdg,
    upenn_gbm,
)
