"""Descriptions in a bundle: its features, metadata, model card and configuration for MONAI."""

from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from flame.bundles.coefficients import feature_names
from flame.bundles.model import Model
from flame.core.version import __version__
from flame.preprocessing.harmonisation.standardisation import moments_in

RESEARCH = "Research only. Not a medical device; not for decisions about patients."
"""Intended use that holds for every model."""
OUTSIDE_SD = 3.0
"""Standard deviations from the training mean from which on a value is unlike the training."""


def features(model: Model) -> pd.DataFrame:
    """Describe the numeric inputs of a model and the patients that it learned them from.

    Args:
        model: the model.

    Returns:
        One row per feature: known values, mean and standard deviation over the training patients,
        the limits beyond which predictions carry a warning, and what replaces a missing value.
    """
    names = feature_names(model)
    shared = model.shared
    if not names or len(shared.get("mean", ())) != len(names):
        return pd.DataFrame()
    moments = moments_in(shared)
    deviation = np.sqrt(moments.sum_sq_dev / np.maximum(moments.count, 1))
    imputed = model.config.data.impute
    return pd.DataFrame(
        {
            "feature": names,
            "known": moments.count.astype(int),
            "mean": moments.mean,
            "sd": deviation,
            "low": moments.mean - OUTSIDE_SD * deviation,
            "high": moments.mean + OUTSIDE_SD * deviation,
            "missing value becomes": [
                imputed.get(n, m) for n, m in zip(names, moments.mean, strict=True)
            ],
        }
    )


def metadata(model: Model, use: str, licence: str, authors: str, version: str) -> dict[str, Any]:
    """Return the metadata of a bundle, by the names of MONAI's schema.

    Args:
        model: the model.
        use: its intended use.
        licence: its licence.
        authors: its authors.
        version: its version.

    Returns:
        Plain values; what is FLAME's own stands under ``flame``.
    """
    texts = model.task.texts()
    packages = {name: _version(name) for name in ("monai", "torch", "numpy", "keras")}
    return {
        "version": version,
        "changelog": {version: f"exported by FLAME {__version__}"},
        "monai_version": packages["monai"],
        "pytorch_version": packages["torch"],
        "numpy_version": packages["numpy"],
        "required_packages_version": {"flame-medical": __version__, "keras": packages["keras"]},
        "name": model.name,
        "task": model.task.title,
        "description": f"{texts.training}. Outcome: {texts.outcome}.",
        "authors": authors or "not stated",
        "copyright": authors or "not stated",
        "license": licence or "none granted",
        "intended_use": f"{use} {RESEARCH}".strip(),
        "network_data_format": {
            "inputs": {
                "patients": {"type": "table or preprocessed images", "format": texts.predictors}
            },
            "outputs": {"prediction": {"type": "table or masks", "format": texts.output}},
        },
        "flame": {
            "task": model.config.task,
            "hospitals": len(model.config.data.centres),
            "seeds": list(model.config.training.seeds),
            "simulated_patients": model.simulated,
            "warnings": [w for w in model.warnings if not any(c.isdigit() for c in w)],
        },
    }


def inference() -> dict[str, Any]:
    """Return the configuration by which MONAI's bundle commands predict with the model."""
    return {
        "imports": ["$import flame"],
        "bundle_root": ".",
        "patients": "patients.csv",
        "output": "predictions",
        "network_def": "$flame.load_model(@bundle_root)",
        "run": ["$flame.predict(@bundle_root, @patients, @output)"],
    }


def card(model: Model, use: str, authors: str, card_of_run: str) -> str:
    """Return the model card of a bundle as Markdown.

    Args:
        model: the model.
        use: its intended use.
        authors: its authors.
        card_of_run: card of ``flame evaluate``; empty: the model was not evaluated.

    Returns:
        The card: how to use the bundle, and then the card of the run.
    """
    patients = {True: "simulated patients", False: "real patients", None: "patients"}
    texts = model.task.texts()
    evaluated = card_of_run or "This model was exported without an evaluation of its run.\n"
    where = f"{patients[model.simulated]} of {len(model.config.data.centres)} hospitals"
    return f"""# {model.name}

{texts.training}, trained on {where}.

- **Predicts**: {texts.outcome}; {texts.output}.
- **From**: {texts.predictors}. Missing values: {texts.missing}.
- **Intended use**: {use or "not stated"}. {RESEARCH}
- **Authors**: {authors or "not stated"}.

`flame predict BUNDLE TABLE --out FOLDER` predicts for new patients, and
`flame validate BUNDLE TABLE --out FOLDER` tests the model where the outcome is known.
`features.csv` lists the inputs and the training population. No file holds a row of a patient.
Networks (`.keras`, `.onnx`) take the inputs as z-scores, 0 where missing, and give log odds.

{evaluated}"""


def _version(package: str) -> str:
    return version(package)
