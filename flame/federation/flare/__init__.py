"""The NVIDIA FLARE engine: server, sites, simulator, and real federations with start-up kits."""

import sys

# FLARE would load PyTorch in every process for tensors, which FLAME never sends.
sys.modules.setdefault("nvflare.app_opt.pt", None)  # type: ignore[arg-type]
