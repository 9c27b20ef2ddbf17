"""The commands of a real federation, on kits that are wrong or of somebody else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flame.core.errors import BadInput, FlameError
from flame.federation.config import TrainConfig
from flame.federation.flare.kit import ADMIN, SERVER, SITE
from flame.pipelines import join, provision, revoke, serve, status, submit


def kit(folder: Path, kind: str) -> Path:
    (folder / "startup").mkdir(parents=True)
    (folder / "local").mkdir()
    content = {
        "servers": [{"service": {"target": "localhost:1"}}],
        "admin": {"username": "me@example.org", "host": "localhost", "port": 1},
    }
    (folder / "startup" / kind).write_text(json.dumps(content))
    return folder


def quiet(text: str) -> None:
    """Say nothing."""


def test_data_that_a_site_cannot_use(tmp_path: Path) -> None:
    site = kit(tmp_path / "a", SITE)
    with pytest.raises(BadInput, match="no data at"):
        join.run(site, tmp_path / "nothing.csv", quiet)
    with pytest.raises(BadInput, match="flame preprocess"):
        join.run(site, tmp_path, quiet)
    inside = site / "patients.csv"
    inside.write_text("x\n1\n")
    with pytest.raises(BadInput, match="keep data elsewhere"):
        join.run(site, inside, quiet)
    table = tmp_path / "patients.csv"
    table.write_text("x\n1\n")
    with pytest.raises(BadInput, match="certificate: startup/client.crt, .* copy the whole kit"):
        join.run(site, table, quiet)


def test_kits_of_another_role(tmp_path: Path) -> None:
    server = kit(tmp_path / "server", SERVER)
    with pytest.raises(BadInput, match="not for flame join"):
        join.run(server, tmp_path, quiet)
    with pytest.raises(BadInput, match="not for flame serve"):
        serve.run(kit(tmp_path / "a", SITE), quiet)
    with pytest.raises(BadInput, match="not for flame submit"):
        status.run(server)
    with pytest.raises(BadInput, match="not for flame submit"):
        revoke.run(server, "a")


def test_status_of_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FlameError, match="localhost:1"):
        status.run(kit(tmp_path / "admin", ADMIN))


def test_what_only_works_on_one_machine_is_not_submitted(toy: TrainConfig, tmp_path: Path) -> None:
    admin = kit(tmp_path / "admin", ADMIN)
    personal = replace(toy, training=replace(toy.training, personalised=True))
    with pytest.raises(BadInput, match="personalised"):
        submit.run(personal, admin, tmp_path / "run", lambda news: None, quiet, 0)
    assert not (tmp_path / "run").exists()


def test_a_project_with_a_wrong_key_makes_no_kit(tmp_path: Path) -> None:
    project = tmp_path / "project.toml"
    project.write_text('name = "gbm"\nhost = "localhost"\nsite = ["a"]\n')
    with pytest.raises(BadInput, match="did you mean 'sites'"):
        provision.run(project, tmp_path / "kits")
    assert not (tmp_path / "kits").exists()
