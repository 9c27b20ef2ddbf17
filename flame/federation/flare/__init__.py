"""NVIDIA FLARE as the engine: its server, its sites, its simulator, and real federations."""
