"""A typo in a path is answered before anything heavy is imported."""

import subprocess
import sys

import pytest

CALLS = (
    ("train", "nowhere.toml", "--out", "x"),
    ("evaluate", "nowhere"),
    ("predict", "nowhere", "table.csv", "--out", "x"),
    ("validate", "nowhere", "table.csv", "--out", "x"),
    ("export", "nowhere", "--out", "x"),
    ("preprocess", "nowhere", "x"),
    ("inspect", "nowhere"),
    ("assess", "nowhere"),
    ("segment", "nowhere", "nowhere"),
    ("stream", "nowhere.toml", "--out", "x"),
    ("submit", "nowhere.toml", "--kit", "k", "--out", "x"),
)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_a_path_that_does_not_exist_is_named_at_once(call: tuple[str, ...]) -> None:
    """Neither pandas nor any network library is loaded by then."""
    script = (
        "import sys\n"
        f"sys.argv = ['flame', *{list(call)!r}]\n"
        "from flame.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n"
        "    heavy = {'pandas', 'keras', 'tensorflow', 'torch'} & set(sys.modules)\n"
        "    print('LOADED', sorted(heavy), end.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip().endswith("LOADED [] 2")
    assert "nowhere" in done.stderr
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr
