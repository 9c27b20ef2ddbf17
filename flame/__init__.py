"""FLAME: federated learning for advanced medical estimation.

The package also offers the functions of ``flame.api``, which is imported on first use.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flame.core.caches import ensure_caches
from flame.core.version import __version__

ensure_caches(Path(__file__).parent)

if TYPE_CHECKING:
    from flame.api import (
        evaluate,
        export,
        inspect_dicom,
        load_cohort,
        load_config,
        load_model,
        load_stream_config,
        predict,
        preprocess,
        run_stream,
        simulate,
        strategy,
        train,
        validate,
    )

__all__ = [
    "__version__",
    "evaluate",
    "export",
    "inspect_dicom",
    "load_cohort",
    "load_config",
    "load_model",
    "load_stream_config",
    "predict",
    "preprocess",
    "run_stream",
    "simulate",
    "strategy",
    "train",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("flame.api"), name)
    raise AttributeError(f"module 'flame' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
