"""An older certificate of a site is refused once a newer one has joined."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flame.federation.flare import renewed_keys
from flame.federation.flare.renewed_keys import refuse_older

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def test_who_has_the_old_kit_cannot_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Manager:
        def authenticated_client(self, request: Any, fl_ctx: Any, client_type: str) -> Any:
            return "admitted" if request.payload["has the key"] else None

    why: list[str] = []
    context = SimpleNamespace(set_prop=lambda key, value, sticky: why.append(value))

    def load(made: datetime) -> list[Any]:
        return [SimpleNamespace(not_valid_before_utc=made)]

    monkeypatch.setattr(renewed_keys, "load_crt_chain_bytes", load)
    refuse_older(Manager, tmp_path)

    def joins(made: datetime, name: str = "a", has_key: bool = True) -> Any:
        shown = {renewed_keys.IdentityChallengeKey.CERT: made, "has the key": has_key}
        request = SimpleNamespace(payload=shown, get_header=lambda key: name)
        return Manager().authenticated_client(request, context, "regular")

    assert joins(MARCH) == "admitted"
    assert joins(MARCH + timedelta(days=30), has_key=False) is None  # proves nothing
    assert joins(MARCH) == "admitted"
    assert joins(MARCH + timedelta(days=30)) == "admitted"
    assert joins(MARCH) is None
    assert why == ["the certificate of a has been replaced by a newer one"]
    assert joins(MARCH, name="b") == "admitted"
    assert joins(MARCH + timedelta(days=30)) == "admitted"
    assert "refused: the certificate of a" in (tmp_path / "notices.log").read_text()
