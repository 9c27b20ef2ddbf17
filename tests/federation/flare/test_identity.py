"""Real processes: a copied kit, a renewed key and a revoked site."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.hospitals import FLAME, Hospitals, until

pytestmark = [pytest.mark.flare, pytest.mark.slow]
LONG_S = 240


def said(hospitals: Hospitals, name: str) -> str:
    return (hospitals.root / f"{name}.out").read_text()


def flame(*arguments: object) -> str:
    done = subprocess.run([*FLAME, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def connected(hospitals: Hospitals) -> list[str]:
    first = flame("status", hospitals.kit("admin")).splitlines()[0]
    return first.removeprefix("Connected: ").split(", ")


def test_one_identity_one_process(hospitals: Hospitals, tmp_path: Path) -> None:
    hospitals.start("server", "a", "b")
    until(lambda: all("connected" in said(hospitals, name) for name in "ab"), LONG_S)
    stolen = tmp_path / "stolen"
    shutil.copytree(hospitals.kit("b"), stolen, ignore=shutil.ignore_patterns(".running"))
    # The copy is used with the data of another hospital.
    command = [*FLAME, "join", str(stolen), "--data", str(tmp_path / "a" / "patients.csv")]
    with (tmp_path / "stolen.out").open("wb") as out:
        copy = subprocess.Popen(command, stdout=out, stderr=out)
    hospitals.running["stolen"] = copy
    hospitals.kit = lambda name, kit=hospitals.kit: stolen if name == "stolen" else kit(name)  # type: ignore[method-assign, misc]
    until(lambda: "the server refuses this kit" in said(hospitals, "stolen"), LONG_S)
    until(lambda: "a copy of this kit at" in said(hospitals, "b"), LONG_S)
    until(lambda: "is its kit copied?" in said(hospitals, "server"), LONG_S)
    assert "connected\n" not in said(hospitals, "stolen")
    assert "Connected: a, b" in flame("status", hospitals.kit("admin"))

    # The real site restarts and is let in: the copy, which was refused, tries again later.
    hospitals.kill("b")
    hospitals.start("b")
    until(lambda: said(hospitals, "b").count("connected\n") == 2, LONG_S)
    hospitals.kill("b")
    hospitals.kill("stolen")

    # Renewed, the old key is worthless even when the real site is away.
    kit, made = hospitals.kit("b"), tmp_path / "kits"
    flame("request", "b", "--kit", kit)
    flame("sign", tmp_path / "project.toml", kit / "b.csr", "--out", made)
    flame("accept", kit, made / "b")
    hospitals.start("b")
    until(lambda: said(hospitals, "b").count("connected\n") == 3, LONG_S)
    hospitals.kill("b")
    with (tmp_path / "stolen.out").open("wb") as out:
        hospitals.running["stolen"] = subprocess.Popen(command, stdout=out, stderr=out)
    until(lambda: "it has been renewed; use the renewed kit" in said(hospitals, "stolen"), LONG_S)
    assert "connected\n" not in said(hospitals, "stolen")
    hospitals.kill("stolen")

    # Revoked, a site is kept out until the admin lets it in again.
    assert "refuses a" in flame("revoke", "a", "--kit", hospitals.kit("admin"))
    hospitals.kill("a")
    hospitals.start("a")
    until(lambda: "refused: a is revoked" in said(hospitals, "server"), LONG_S)
    assert "a" not in connected(hospitals)
    flame("revoke", "a", "--undo", "--kit", hospitals.kit("admin"))
    until(lambda: "a" in connected(hospitals), LONG_S)
    assert os.path.exists(hospitals.kit("server") / "certificates.json")
