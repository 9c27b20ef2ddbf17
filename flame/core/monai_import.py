"""MONAI, which loads TensorFlow where it is installed, without TensorFlow's lines.

Every other module takes ``monai`` from here; a lint rule holds that.
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
