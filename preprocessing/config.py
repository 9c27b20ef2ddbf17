"""What a user can choose about preprocessing, and the stages that follow from it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import tomli_w

from flame.core.errors import BadInput
from flame.core.registry import nearest
from flame.io.tumour_masks import CONVENTIONS
from flame.preprocessing.stages.atlas_registration import MNI152, atlas_registration
from flame.preprocessing.stages.bias_field import bias_field
from flame.preprocessing.stages.brain_extraction import brain_extraction
from flame.preprocessing.stages.coregistration import coregistration
from flame.preprocessing.stages.linear_registration import Kind
from flame.preprocessing.stages.nyul import nyul, read_scales
from flame.preprocessing.stages.percentile import percentile
from flame.preprocessing.stages.resampling import resampling
from flame.preprocessing.stages.stage import Stage
from flame.preprocessing.stages.white_stripe import white_stripe
from flame.preprocessing.stages.zscore import zscore

INTENSITIES: dict[str, Callable[[], Stage]] = {
    "zscore": zscore,
    "percentile": percentile,
    "white_stripe": white_stripe,
    "nyul": nyul,
}

_KINDS: dict[str, Kind] = {"affine": "affine", "rigid": "rigid"}


@dataclass(frozen=True)
class StageConfig:
    """Parameters of the stages.

    ``spacing`` is the voxel size of the output in mm; ``template`` a skull-stripped T1 (empty:
    MNI152) and ``space`` its name in file names; ``atlas_fit`` is affine or rigid; ``landmarks`` a
    file of ``flame harmonise`` for intensity ``nyul``; ``native`` also writes the corrected scans
    on their own grids; ``tumour_labels`` says what the labels of given tumour masks mean.
    """

    spacing: float = 1.0
    bias_field: str = "n4"
    registration: str = "flame"
    brain: str = "deepbet"
    template: str = ""
    atlas_fit: str = "affine"
    space: str = MNI152
    intensity: str = "zscore"
    landmarks: str = ""
    native: bool = False
    tumour_labels: str = "brats"

    def __post_init__(self) -> None:
        if not 0.5 <= self.spacing <= 6:
            raise BadInput(f"spacing {self.spacing}: choose a spacing from 0.5 to 6 mm")
        if not (self.space.isascii() and self.space.isalnum()):
            raise BadInput(f"space '{self.space}': use letters and digits only, as in SRI24")
        if self.template and self.space in (MNI152, "orig"):
            raise BadInput(f"template {self.template}: name its space too, as in space=SRI24")
        if not self.template and self.space != MNI152:
            raise BadInput(f"space {self.space}: give its template too; without one it is {MNI152}")
        if self.atlas_fit not in _KINDS:
            hint = nearest(self.atlas_fit, list(_KINDS))
            raise BadInput(f"unknown atlas fit '{self.atlas_fit}': {hint}")
        if self.intensity not in INTENSITIES:
            hint = nearest(self.intensity, list(INTENSITIES))
            raise BadInput(f"unknown intensity normalisation '{self.intensity}': {hint}")
        if (self.intensity == "nyul") != bool(self.landmarks):
            raise BadInput(
                "intensity=nyul goes with landmarks=FILE; flame harmonise makes the file"
            )
        if self.tumour_labels not in CONVENTIONS:
            hint = nearest(self.tumour_labels, list(CONVENTIONS))
            raise BadInput(f"unknown tumour labels '{self.tumour_labels}': {hint}")
        stages(self)  # unknown methods and unreadable files show here

    def resolved(self) -> "StageConfig":
        """The same with absolute paths, for workers that run elsewhere."""
        files = (self.template, self.landmarks)
        template, landmarks = (str(Path(f).resolve()) if f else "" for f in files)
        return replace(self, template=template, landmarks=landmarks)

    def public_toml(self) -> str:
        """The parameters as TOML; of files only their names, as paths may tell too much."""
        values = asdict(self)
        for key in ("template", "landmarks"):
            values[key] = Path(values[key]).name
        return tomli_w.dumps(values)


def stages(config: StageConfig, mask: str = "") -> list[Stage]:
    """The stages of structural MRI in order; ``mask`` is a supplied brain mask of the day."""
    at = {"path": config.template, "space": config.space}
    bias = [] if config.bias_field == "none" else [bias_field(config.bias_field)]
    last = INTENSITIES[config.intensity]()
    if config.landmarks:
        last = nyul(read_scales(Path(config.landmarks)))
    return [
        *bias,
        coregistration(config.registration),
        brain_extraction(config.brain, mask),
        atlas_registration(method=config.registration, kind=_KINDS[config.atlas_fit], **at),
        resampling(config.spacing, **at),
        last,
    ]
