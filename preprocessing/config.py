"""Parameters of preprocessing, and the stages that they select."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import tomli_w
from annotated_types import Ge, Le

from flame.core.config import Rule, Section
from flame.core.imaging import Sequence
from flame.core.registry import nearest
from flame.io.bids import INDIVIDUAL
from flame.io.tumour_masks import CONVENTIONS
from flame.preprocessing.stages.atlas_registration import MNI152, atlas_registration
from flame.preprocessing.stages.bias_field import bias_field
from flame.preprocessing.stages.brain_extraction import ONLY_T1, brain_extraction
from flame.preprocessing.stages.coregistration import coregistration
from flame.preprocessing.stages.nyul import nyul, read_scales
from flame.preprocessing.stages.patient_registration import ReferenceDay, patient_registration
from flame.preprocessing.stages.resampling import resampling
from flame.preprocessing.stages.stage import STAGES, T1_WEIGHTED, Place, Stage


@dataclass(frozen=True)
class StageConfig(Section):
    """Parameters of the stages."""

    spacing: Annotated[float, Ge(0.5), Le(6)] = 1.0
    """Voxel size of the output in mm."""
    bias_field: str = "n4"
    """Method of bias-field correction: n4, simpleitk or none."""
    registration: str = "flame"
    """Method of registration: flame or simpleitk."""
    brain: str = "deepbet"
    """Method of brain extraction: deepbet or hd-bet."""
    template: str = ""
    """Skull-stripped T1 to register to; empty: MNI152."""
    space: str = MNI152
    """Name of the template in file names."""
    intensity: str = "zscore"
    """Intensity normalisation: zscore, percentile, white_stripe, nyul, or one of your own."""
    landmarks: str = ""
    """File of flame harmonise, for intensity nyul."""
    native: bool = False
    """Whether the corrected scans are also written on their own grids."""
    tumour_labels: str = "brats"
    """Meaning of the labels of supplied tumour masks: brats (up to 2021) or brats-2023."""
    extra: tuple[str, ...] = ()
    """Names of further registered stages; each runs after the other stages of its place."""

    def rules(self) -> Iterator[Rule]:
        """Yield the conditions on the template, the landmarks and the labels of masks."""
        yield (
            self.space.isascii() and self.space.isalnum(),
            f"space '{self.space}': use letters and digits only, as in SRI24",
        )
        yield (
            not self.template or self.space not in (MNI152, "orig", INDIVIDUAL),
            f"template {self.template}: name its space too, as in space=SRI24",
        )
        yield (
            self.template or self.space == MNI152,
            f"space {self.space}: give its template too; without one it is {MNI152}",
        )
        yield (
            (self.intensity == "nyul") == bool(self.landmarks),
            "intensity=nyul and landmarks=FILE need each other; flame harmonise writes the file",
        )
        normalises = STAGES[self.intensity]().place is Place.INTENSITY
        yield normalises, f"intensity: stage '{self.intensity}' normalises no intensities"
        hint = nearest(self.tumour_labels, list(CONVENTIONS))
        yield self.tumour_labels in CONVENTIONS, f"unknown tumour labels: {hint}"

    def __post_init__(self) -> None:
        super().__post_init__()
        stages(self)  # raises BadInput for unknown methods and unreadable files

    def resolved(self) -> "StageConfig":
        """Return the same parameters with absolute paths, for workers in other folders."""
        template = str(Path(self.template).resolve()) if self.template else ""
        landmarks = str(Path(self.landmarks).resolve()) if self.landmarks else ""
        return replace(self, template=template, landmarks=landmarks)

    def public_toml(self) -> str:
        """Return the parameters as TOML; of files only the names, as paths may be private."""
        values = asdict(self)
        for key in ("template", "landmarks"):
            values[key] = Path(values[key]).name
        return tomli_w.dumps(values)


def stages(
    config: StageConfig,
    mask: str = "",
    day: ReferenceDay | None = None,
    sequences: Iterable[Sequence] = T1_WEIGHTED,
) -> list[Stage]:
    """Build the stages that preprocess structural MRI.

    Args:
        config: parameters of the stages.
        mask: path of a supplied brain mask of the day; empty: none.
        day: day of the patient to which the day is registered; None: the template alone.
        sequences: sequences of the day.

    Returns:
        Stages in the order in which they run.

    Raises:
        BadInput: a stage or method is unknown, or a file cannot be read.
    """
    template = {"path": config.template, "space": config.space}
    bias = [] if config.bias_field == "none" else [bias_field(config.bias_field)]
    borrows = config.brain in ONLY_T1 and not mask and not set(T1_WEIGHTED) & set(sequences)
    scales = read_scales(Path(config.landmarks)) if config.landmarks else None
    chain = [
        *bias,
        coregistration(config.registration),
        brain_extraction(config.brain, mask, day if borrows else None, config.registration),
        patient_registration(day, config.registration),
        atlas_registration(method=config.registration, day=day, **template),
        resampling(config.spacing, **template),
        nyul(scales) if scales else STAGES[config.intensity](),
        *(STAGES[name]() for name in config.extra),
    ]
    return sorted(chain, key=lambda stage: stage.place)
