"""Every benchmark answers --help, and with --quick ends with a line of figures."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = sorted(p.stem for p in BENCHMARKS.glob("*.py") if "def main(" in p.read_text())
DATA = {
    "alignment": ".",
    "brain_extraction": ".",
    "combat_table": "tables/gbm_four_centres.csv",
    "federation_bits": "tables/gbm_four_centres.csv",
    "gbm_table": "tables/gbm_four_centres.csv",
    "preprocessing": ".",
    "privacy": "tables/gbm_four_centres.csv",
    "registration": ".",
    "response": "tables",
    "segmentation": ".",
    "streams_real": "streams",
}
"""File or folder of the shared data that a script takes; the others make theirs up."""
LIMIT_S = 900
"""Seconds until a script is given up: a quick one takes about a minute where nothing else runs."""


def test_there_are_scripts() -> None:
    assert set(DATA) < set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_offers_quick(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, as most of the time goes into imports that the scripts share."""
    path = BENCHMARKS / f"{script}.py"
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", [str(path), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code == 0
    assert "--quick" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_quick_ends_with_figures(
    script: str, tmp_path: Path, shared: Callable[[str], Path]
) -> None:
    if script == "intake" and not shutil.which("dcm2niix"):
        pytest.skip("dcm2niix is not installed")
    data = [str(shared(DATA[script]))] if script in DATA else []
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{script}.py"), *data, "--quick"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = json.loads(done.stdout.splitlines()[-1], parse_constant=pytest.fail)
    assert set(line) == {"benchmark", "quick", "seconds", "figures"}
    assert (line["benchmark"], line["quick"]) == (script, True)
    assert line["seconds"] > 0
    values = list(line["figures"].values())
    assert all(v is None or type(v) in (int, float) for v in values), line["figures"]
    assert any(v is not None for v in values)
