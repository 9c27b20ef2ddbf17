"""The configuration with which tests preprocess a simulated hospital."""

from pathlib import Path

from flame.pipelines.preprocess import PreprocessConfig
from flame.preprocessing.config import StageConfig


def preprocess_config(hospital: Path, out: Path, **changes: object) -> PreprocessConfig:
    centre = hospital / "centre-1"
    settings = {"stages": StageConfig(spacing=3.0), "clinical": str(centre / "clinical.tsv")}
    return PreprocessConfig(
        str(centre / "dicom"),
        str(out),
        **{**settings, **changes},  # type: ignore[arg-type]
    )
