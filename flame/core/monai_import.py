"""MONAI, imported without the lines that TensorFlow writes to standard error.

MONAI loads TensorFlow where it is installed. Every other module takes ``monai`` from here; a lint
rule enforces this.
"""

import os

from flame.core.quiet import silent_standard_error

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # 3: nothing below FATAL
with silent_standard_error():
    import monai
    import monai.inferers
    import monai.metrics
    import monai.transforms

__all__ = ["monai"]
