"""Models that are tested at a site are counted over all runs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flame.core.errors import Refusal
from flame.federation.privacy.probes import count_probe

TOLD = "has had {most} models validated, as many as validations"


def test_a_repeated_model_counts_once_and_further_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "validated.json"
    for probe in ("a", "b", "a", "b"):
        count_probe(path, probe, 2, TOLD)
    with pytest.raises(Refusal, match="has had 2 models validated"):
        count_probe(path, "c", 2, TOLD)
    assert path.stat().st_mode & 0o077 == 0


def test_many_at_once_do_not_exceed_the_limit(tmp_path: Path) -> None:
    def try_one(number: int) -> bool:
        try:
            count_probe(tmp_path / "validated.json", str(number), 5, TOLD)
        except Refusal:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_one, range(20))) == 5
