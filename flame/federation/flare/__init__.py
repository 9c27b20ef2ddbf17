"""The NVIDIA FLARE engine: server, sites, simulator, and real federations with start-up kits."""
