"""The folder of a run: its configuration, its data, its models and its results."""

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from flame.core.cohort import Cohort
from flame.core.config import Section, load_config
from flame.core.errors import BadInput, FlameError
from flame.core.files import write_text
from flame.core.plugins import plugin_hashes
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
        """Return whether the folder holds a run of a configuration.

        Args:
            config: the configuration.

        Returns:
            False if the folder does not exist or is empty.

        Raises:
            BadInput: the folder holds another run or other files.
        """
        file = self.path / run_files.CONFIG
        if file.exists():
            self._check_format()
            if file.read_text(encoding="utf-8") != run_files.config_text(config):
                raise BadInput(
                    f"{self.path} holds a run with another configuration; give a new --out"
                )
            return True
        if self.path.exists() and not self._is_vacant():
            raise BadInput(f"{self.path} is not empty and holds no run; give a new folder to --out")
        return False

    def claim(self, config: TrainConfig, cohorts: list[Cohort]) -> None:
        """Write the configuration and the hashes of data and plug-ins, or check those there.

        Args:
            config: the configuration of the run.
            cohorts: the data of each centre.

        Raises:
            BadInput: the folder holds another run or other files, or the data or a plug-in changed.
        """
        if self.holds(config):
            self.check_data(cohorts)
            self.check_plugins()
            return
        write_text(self.path / run_files.MANIFEST, _manifest(cohorts))
        self.write_plugins()
        write_text(self.path / run_files.CONFIG, run_files.config_text(config))

    def claim_name(self, config: Section, further: bool = False) -> str:
        """Write the configuration and a new name for the server, unless the folder has a name.

        Args:
            config: the configuration of a run of flame submit.
            further: whether a run that is there goes on, with more rounds or more sites.

        Returns:
            Name of the run at the server.

        Raises:
            BadInput: the folder holds another run or other files; or no run that can go on.
        """
        file = self.path / run_files.RUN_NAME
        if (
            further
            and isinstance(config, TrainConfig)
            and run_files.config_text(config) != run_files.config_text(self.config())
        ):
            self._check_further(config)
            write_text(self.path / run_files.CONFIG, run_files.config_text(config))
        if self.holds(config):
            if not file.exists():
                raise BadInput(f"{self.path} holds a run of flame train; give a new --out")
            return file.read_text(encoding="utf-8")
        name = f"flame-{secrets.token_hex(6)}"
        write_text(file, name)
        write_text(self.path / run_files.CONFIG, run_files.config_text(config))
        return name

    def _check_further(self, config: TrainConfig) -> None:
        """Check that a configuration differs from that of the run in rounds and sites alone."""
        before = self.config()
        sites = set(config.data.centres)
        as_before = replace(
            config,
            training=replace(config.training, rounds=before.training.rounds),
            data=replace(config.data, centres=before.data.centres),
        )
        if run_files.config_text(as_before) != run_files.config_text(before):
            raise BadInput(
                f"{self.path}: a run can go on with more rounds and more sites; leave everything "
                "else as it was"
            )
        if config.training.rounds < before.training.rounds or not sites >= set(before.data.centres):
            raise BadInput(
                f"{self.path}: the run had {before.training.rounds} rounds with "
                f"{', '.join(before.data.centres)}; it can go on with no fewer"
            )

        if config.training.rounds == before.training.rounds:
            raise BadInput(f"{self.path}: set training.rounds above {before.training.rounds}")
        if config.training.validation or config.privacy.is_private:
            raise BadInput(
                f"{self.path}: a run with training.validation or privacy.level cannot go on, as "
                "its last round is not kept or its noise is that of its rounds; train a new run"
            )

    def check_data(self, cohorts: list[Cohort]) -> None:
        """Check that the data have not changed: folds must hold out the same patients.

        Args:
            cohorts: the data of each centre.

        Raises:
            BadInput: the data changed since training began.
        """
        file = self.path / run_files.MANIFEST
        if not file.exists() or file.read_text(encoding="utf-8") != _manifest(cohorts):
            raise BadInput(f"{self.path}: the data changed since training began; train a new run")

    def write_plugins(self) -> None:
        """Write the hashes of the plug-ins with which the run begins."""
        if hashes := plugin_hashes():
            write_text(self.path / run_files.PLUGINS, json.dumps(hashes, indent=1))

    def check_plugins(self) -> None:
        """Check that no plug-in that the run began with has changed since.

        Raises:
            BadInput: one has.
        """
        file = self.path / run_files.PLUGINS
        before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        now = plugin_hashes()
        changed = [name for name in before if now.get(name, before[name]) != before[name]]
        if changed:
            raise BadInput(
                f"{self.path}: the plug-in {changed[0]} changed since the run began; give the "
                "former file, or another --out"
            )

    def _is_vacant(self) -> bool:
        """Return whether this is a folder with nothing but what a killed claim leaves."""
        claim = {run_files.MANIFEST, run_files.PLUGINS, run_files.RUN_NAME, run_files.LOCK}
        return self.path.is_dir() and all(f.name in claim for f in self.path.iterdir())

    def config(self) -> TrainConfig:
        """Read the resolved configuration; BadInput if this is no run folder."""
        file = self.path / run_files.CONFIG
        if not file.exists():
            raise BadInput(
                f"{self.path} is not a run folder (no {run_files.CONFIG}); run flame train first, "
                f"or at a server take one in KIT/{run_files.RUNS}"
            )
        if (self.path / run_files.STREAM_PAGE).exists():
            raise BadInput(
                f"{self.path} is a run of flame stream: open {self.path / run_files.STREAM_PAGE}"
            )
        self._check_format()
        return load_config(TrainConfig, file, [])

    def _check_format(self) -> None:
        """Refuse a run whose sizes were those of the template."""
        file = self.path / run_files.CONFIG
        if not file.read_text(encoding="utf-8").startswith(run_files.FORMAT):
            raise BadInput(
                f"{self.path} was made by an earlier version of FLAME, in which tumours were "
                "measured after scaling the head to the template; run flame preprocess again if "
                "the run has images, and train a new run"
            )

    def sources(self) -> set[str]:
        """Return the names of the files and folders that training read, such as ``sub-NAME``."""
        return {name.split("/")[0] for centre in self._sources().values() for name in centre}

    def hashes(self) -> set[str]:
        """Return the hashes of the files that training read."""
        return {digest for centre in self._sources().values() for digest in centre.values()}

    def _sources(self) -> dict[str, dict[str, str]]:
        file = self.path / run_files.MANIFEST
        try:
            manifest: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FlameError(f"{file} is absent or damaged; train a new run") from error
        return manifest

    def warnings(self) -> list[str]:
        """Return the warnings of the training."""
        file = self.path / run_files.WARNINGS
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def write_warnings(self, warnings: Iterable[str]) -> None:
        """Write the warnings of the training."""
        write_text(self.path / run_files.WARNINGS, "\n".join(warnings))

    def is_finished(self, trainings: list[Training]) -> bool:
        """Return whether all of these trainings are finished."""
        loaded = (load_checkpoint(checkpoint_path(self.path, t.name)) for t in trainings)
        return all(c is not None and c.finished for c in loaded)

    def model(self, training: Training) -> Checkpoint:
        """Read the model of a training; BadInput if the training is not finished."""
        return finished(self.path, training.name)

    def federated_model(self, config: TrainConfig, seed: int | None = None) -> Checkpoint:
        """Read the federated model of all patients, of ``seed`` or else of the first seed."""
        seed = config.training.seeds[0] if seed is None else seed
        return self.model(final_training(config.data.centres, seed))

    def write_results(self, config: TrainConfig) -> None:
        """Write the files that other programs read: history, privacy, and networks for Keras."""
        history = write_history(self.path)
        if config.privacy.is_private:
            trained = history[~history.training.str.startswith(POOLED)]
            name = final_training(config.data.centres, config.training.seeds[0]).name
            table = spent_table(config, trained, name)
            write_text(self.path / run_files.PRIVACY, table.to_csv(index=False))
        write_networks(self.path, config)


def _manifest(cohorts: list[Cohort]) -> str:
    return json.dumps({c.centre: dict(c.manifest) for c in cohorts}, indent=1, sort_keys=True)
