"""Time-outs of messages and of FLARE: hand computation."""

import numpy as np
import pytest

from flame.federation.flare.limits import SLOWEST, flare_timeouts, transfer_s


def test_a_message_of_2_gb_may_take_2000_s_and_words_none() -> None:
    a_gb = np.broadcast_to(np.float32(0), 250_000_000)
    assert transfer_s({"weights": [a_gb, (a_gb,)], "name": "x"}) == pytest.approx(2e9 / SLOWEST)
    assert transfer_s({"name": "x", "number": 3}) == 0


@pytest.mark.parametrize(("heartbeat_s", "longest"), [(60.0, 60.0), (600.0, 600.0), (5.0, 26.0)])
def test_four_attempts_at_a_piece_end_with_the_heartbeat(
    heartbeat_s: float, longest: float
) -> None:
    """FLARE makes four attempts and pauses 2, 4 and 8 s between them."""
    limits = flare_timeouts(heartbeat_s)
    assert 4 * limits["np_streaming_per_request_timeout"] + 2 + 4 + 8 == pytest.approx(longest)
    assert limits["streaming_idle_timeout"] >= 60 >= limits["end_run_readiness_timeout"]
