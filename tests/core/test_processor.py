"""What the processor is said to be able to do agrees with the operating system."""

from pathlib import Path

import pytest

from flame.core.processor import native_bfloat16


def test_bfloat16_is_native_where_the_kernel_lists_the_instructions() -> None:
    described = Path("/proc/cpuinfo")
    if not described.exists():
        pytest.skip("no /proc/cpuinfo on this system")
    listed = "avx512_bf16" in described.read_text().split()
    assert native_bfloat16() == listed
