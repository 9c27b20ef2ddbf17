"""Packages that log from C++ load without a word, and errors are seen again afterwards."""

import os
import subprocess
import sys

import pytest

from flame.core.quiet import silent_standard_error, without


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_what_is_written_below_python_is_dropped_too(capfd: pytest.CaptureFixture[str]) -> None:
    with silent_standard_error():
        os.write(2, b"inside\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_standard_error_comes_back_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), silent_standard_error():
        raise KeyError
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_a_package_is_hidden_while_the_body_runs_and_not_one_that_is_loaded() -> None:
    with without("wave", "sys"), pytest.raises(ImportError):
        import wave  # an unused module of the standard library
    with without("wave", "sys"):
        import sys as again
    assert again is sys
    import wave  # noqa: F401


def test_heavy_packages_load_without_a_word() -> None:
    done = run(
        "from flame.core.keras_import import keras; keras.ops.ones(2)\n"
        "from flame.core.monai_import import monai; monai.networks\n"
        "import flame.evaluation.ways, flame.models.response.network, flame.models.segmentation"
    )
    assert (done.stdout, done.stderr) == ("", "")
