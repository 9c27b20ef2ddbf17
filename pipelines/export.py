"""``flame export``: a model that can leave its run, as a bundle without patient data."""

from pathlib import Path

from flame.bundles.bundle import About, write_bundle
from flame.bundles.model import METADATA, open_model
from flame.core.errors import BadInput
from flame.federation.run_files import MODEL_CARD


def run(run_folder: Path, out: Path, about: About | None = None) -> list[Path]:
    """Write the federated model of a run as a bundle.

    Args:
        run_folder: folder of a finished run.
        out: new folder, or one that holds a bundle, which is replaced.
        about: what the owners of the model say about it; None: nothing.

    Returns:
        Paths of the files of the bundle.

    Raises:
        BadInput: the run is not finished, or ``out`` holds something else.
    """
    if (run_folder / METADATA).exists():
        raise BadInput(f"{run_folder} is a bundle already; copy the folder")
    card = run_folder / MODEL_CARD
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    write_bundle(open_model(run_folder), out, about or About(), text)
    return sorted(path for path in out.rglob("*") if path.is_file())
