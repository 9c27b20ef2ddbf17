"""What the processor of this machine does well."""

from functools import cache


@cache
def native_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself: two to three times faster networks."""
    import torch

    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "avx512_bf16" in torch.backends.cpu.get_cpu_capability().lower() or bool(supported())
