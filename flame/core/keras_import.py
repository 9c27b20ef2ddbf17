"""Keras on TensorFlow, imported without the lines that TensorFlow writes to standard error.

TensorFlow logs from C++ while it loads, before any setting of its own takes effect. Keras would
load Matplotlib and scikit-learn for functions that FLAME does not use. Every other module takes
``keras`` from here; a lint rule enforces this.
"""

import os

from flame.core.quiet import silent_standard_error, without

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # 3: nothing below FATAL
with silent_standard_error(), without("matplotlib", "sklearn"):
    import keras

__all__ = ["keras"]
