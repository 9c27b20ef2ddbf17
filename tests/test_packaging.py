"""The wheel: every folder is listed, and all modules import where there is no checkout."""

import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("models", "preprocessing", "pipelines")


def test_packages_listed_are_the_folders_there_are() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {"flame"}
    for base, prefix in [(ROOT / "flame", "flame"), *((ROOT / f, f"flame.{f}") for f in FOLDERS)]:
        for init in base.rglob("__init__.py"):
            relative = init.parent.relative_to(base).parts
            if relative[:1] and relative[0] in FOLDERS:
                continue
            there.add(".".join([prefix, *relative]))
    assert set(listed) == there


def test_wheel_imports_outside_the_checkout(tmp_path: Path) -> None:
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # of modules that are gone
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False, system_site_packages=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv").rglob("site-packages"))
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(site)], check=True)
    # The dependencies come from the running environment; flame itself must come from the wheel.
    dependencies = next(p for p in sys.path if p.endswith("site-packages"))
    code = (
        "import sys, pkgutil, importlib; sys.path.append(sys.argv[1]); import flame, pathlib\n"
        "assert pathlib.Path(flame.__file__).is_relative_to(sys.argv[2]), flame.__file__\n"
        "names = [m.name for m in pkgutil.walk_packages(flame.__path__, 'flame.')]\n"
        "[importlib.import_module(n) for n in names]\n"
        "print(*names)"
    )
    done = subprocess.run(
        [python, "-c", code, dependencies, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(wheel) as archive:
        shipped = {n.split("/share/flame/")[1] for n in archive.namelist() if "/share/flame/" in n}
    pages = [p for p in (ROOT / "docs").rglob("*.md") if "notes" not in p.parts]
    assert shipped >= {
        str(p.relative_to(ROOT)) for p in (*pages, *(ROOT / "examples").glob("*.toml"))
    }
    files = [
        Path(folder, name).relative_to(ROOT).with_suffix("")
        for folder, _, names in os.walk(ROOT / "flame", followlinks=True)
        for name in names
        if name.endswith(".py") and not name.startswith("__")
    ]
    assert set(done.stdout.split()) >= {".".join(file.parts) for file in files}
