"""The job that NVIDIA FLARE gets."""

import json
from dataclasses import replace
from pathlib import Path

from flame.federation.config import TrainConfig
from flame.federation.flare.job import job_of
from flame.federation.flare.limits import flare_timeouts


def test_server_and_sites_get_the_time_outs_of_the_run(toy: TrainConfig, tmp_path: Path) -> None:
    config = replace(toy, federation=replace(toy.federation, heartbeat_timeout_s=42.0))
    job_of(config, "toy", "toy", 30).export(str(tmp_path))
    for side in ("server", "client"):
        (path,) = tmp_path.glob(f"toy/*/config/config_fed_{side}.json")
        written = json.loads(path.read_text())
        expected = flare_timeouts(42.0)
        assert {name: written[name] for name in expected} == expected
