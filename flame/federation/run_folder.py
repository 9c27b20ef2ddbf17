"""The folder of a run: what it is claimed by, its data, its models and its results."""

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flame.core.cohort import Cohort
from flame.core.config import as_toml, load_config
from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.federation import run_files
from flame.federation.checkpoint import Checkpoint, checkpoint_path, finished, load_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.history import write_history
from flame.federation.networks import write_networks
from flame.federation.privacy.differential import spent_table
from flame.federation.trainings import POOLED, Training, final_training


@dataclass(frozen=True)
class RunFolder:
    """A run folder at ``path``, which may not exist yet."""

    path: Path

    def holds(self, config: object) -> bool:
        """Whether a run of ``config`` is here already.

        Raises:
            BadInput: something else is here.
        """
        file = self.path / run_files.CONFIG
        if file.exists():
            if file.read_text(encoding="utf-8") != as_toml(config):
                raise BadInput(
                    f"{self.path} holds a run with another configuration; give a new --out"
                )
            return True
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise BadInput(f"{self.path} is not empty and holds no run; give a new folder to --out")
        return False

    def claim(self, config: TrainConfig, cohorts: list[Cohort]) -> None:
        """Write the configuration and the data's hashes, or make sure that those here match.

        Raises:
            BadInput: something else is here, or the data changed.
        """
        if self.holds(config):
            self.check_data(cohorts)
            return
        write_text(self.path / run_files.MANIFEST, _manifest(cohorts))
        write_text(self.path / run_files.CONFIG, as_toml(config))

    def claim_name(self, config: TrainConfig) -> str:
        """Write the configuration and a new name for the server, or return the name that is here.

        Args:
            config: the configuration of a run of flame submit.

        Raises:
            BadInput: something else is here.
        """
        file = self.path / run_files.RUN_NAME
        if self.holds(config):
            if not file.exists():
                raise BadInput(f"{self.path} holds a run of flame train; give a new --out")
            return file.read_text(encoding="utf-8")
        name = f"flame-{secrets.token_hex(6)}"
        write_text(file, name)
        write_text(self.path / run_files.CONFIG, as_toml(config))
        return name

    def check_data(self, cohorts: list[Cohort]) -> None:
        """Refuse data that changed: folds would no longer hold out the same patients.

        Raises:
            BadInput: the data changed since training began.
        """
        file = self.path / run_files.MANIFEST
        if not file.exists() or file.read_text(encoding="utf-8") != _manifest(cohorts):
            raise BadInput(f"{self.path}: the data changed since training began; train a new run")

    def config(self) -> TrainConfig:
        """The resolved configuration.

        Raises:
            BadInput: this is no run folder.
        """
        file = self.path / run_files.CONFIG
        if not file.exists():
            raise BadInput(
                f"{self.path} is no run folder (no {run_files.CONFIG}); run flame train first, or "
                f"at a server take one in KIT/{run_files.RUNS}"
            )
        return load_config(TrainConfig, file, [])

    def sources(self) -> set[str]:
        """Names of the files and folders that training read, such as ``sub-<pseudonym>``."""
        manifest = json.loads((self.path / run_files.MANIFEST).read_text(encoding="utf-8"))
        return {name.split("/")[0] for centre in manifest.values() for name in centre}

    def warnings(self) -> list[str]:
        """What training warned of."""
        file = self.path / run_files.WARNINGS
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def write_warnings(self, warnings: Iterable[str]) -> None:
        """Keep what training warned of."""
        write_text(self.path / run_files.WARNINGS, "\n".join(warnings))

    def is_finished(self, trainings: list[Training]) -> bool:
        """Whether all of these trainings are done."""
        loaded = (load_checkpoint(checkpoint_path(self.path, t.name)) for t in trainings)
        return all(c is not None and c.finished for c in loaded)

    def model(self, training: Training) -> Checkpoint:
        """The model of a training.

        Raises:
            BadInput: the training is not finished.
        """
        return finished(self.path, training.name)

    def federated_model(self, config: TrainConfig, seed: int | None = None) -> Checkpoint:
        """The federated model that learned from all patients, of the first seed or of ``seed``."""
        seed = config.training.seeds[0] if seed is None else seed
        return self.model(final_training(config.data.centres, seed))

    def write_results(self, config: TrainConfig) -> None:
        """Write what can be read without FLAME: history, privacy, and networks for Keras."""
        history = write_history(self.path)
        if config.privacy.is_private:
            trained = history[~history.training.str.startswith(POOLED)]
            name = final_training(config.data.centres, config.training.seeds[0]).name
            table = spent_table(config, trained, name)
            write_text(self.path / run_files.PRIVACY, table.to_csv(index=False))
        write_networks(self.path, config)


def _manifest(cohorts: list[Cohort]) -> str:
    return json.dumps({c.centre: dict(c.manifest) for c in cohorts}, indent=1, sort_keys=True)
