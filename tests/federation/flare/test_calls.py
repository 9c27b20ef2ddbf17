"""Calls to sites that are slow, silent, gone or cut off, played by objects of this process."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nvflare.collab.api.exceptions import CollabCallError

from flame.federation.flare import calls as module
from flame.federation.flare.calls import Calls
from flame.federation.flare.failures import in_words
from flame.federation.flare.site import BUSY, READY, UNKNOWN


class Played:
    """A site whose answers to call and again are written down beforehand."""

    def __init__(self, *answers: Any, lives: bool = True) -> None:
        self.answers, self.lives, self.asked = list(answers), lives, list[str]()

    def __call__(self, timeout: float) -> "Played":
        return self

    def _next(self, how: str) -> Any:
        self.asked.append(how)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def call(self, number: str, method: str, arguments: dict[str, Any], wait: float) -> Any:
        return self._next("call")

    def again(self, number: str, wait: float) -> Any:
        return self._next("again")

    def fetch(self, number: str) -> Any:
        return self._next("fetch")

    def alive(self) -> bool:
        self.asked.append("alive")
        if not self.lives:
            raise cut()
        return True


def cut() -> CollabCallError:
    return CollabCallError("a", "call", TimeoutError("no answer"))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Calls]:
    def make(heartbeat_timeout_s: float = 0.0, timeout_s: float = 60.0, **sites: Played) -> Calls:
        monkeypatch.setattr(
            module, "collab", type("Collab", (), {"get_clients": lambda names: [sites[names[0]]]})
        )
        monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
        return Calls(tuple(sites), timeout_s, heartbeat_timeout_s, Path())

    return make


def test_an_answer_that_is_lost_is_fetched_again_without_new_work(played: Any) -> None:
    a = Played(BUSY, cut(), BUSY, {"x": 1})
    answers = played(heartbeat_timeout_s=60, a=a)("train", ("a",))
    assert (answers.got, answers.lost) == ({"a": {"x": 1}}, {})
    assert a.asked == ["call", "again", "again", "again"]


def test_a_large_answer_is_fetched_once_it_is_ready(played: Any) -> None:
    a = Played(BUSY, {READY: 10**9}, cut(), {"x": 1})
    answers = played(heartbeat_timeout_s=60, a=a)("train", ("a",))
    assert (answers.got, answers.lost) == ({"a": {"x": 1}}, {})
    assert a.asked == ["call", "again", "fetch", "fetch"]


def test_a_site_that_forgot_its_large_answer_is_asked_anew(played: Any) -> None:
    """As after its process died while the answer was on its way."""
    a = Played({READY: 10**9}, UNKNOWN, {READY: 10**9}, {"x": 1})
    assert played(heartbeat_timeout_s=60, a=a)("train", ("a",)).got == {"a": {"x": 1}}
    assert a.asked == ["call", "fetch", "call", "fetch"]


@pytest.mark.parametrize("size", [10**30, -1, 0, 1.5, "x", None, True])
def test_an_announced_size_that_cannot_be_is_refused(played: Any, size: Any) -> None:
    lost = played(heartbeat_timeout_s=60, a=Played({READY: size}))("train", ("a",)).lost
    assert lost == {"a": "announced a reply of no possible size"}


def test_a_site_whose_large_answer_never_comes_holds_up_nobody(played: Any) -> None:
    a, b = Played({READY: 10**9}, cut()), Played({READY: 10**9}, {"x": 1})
    answers = played(heartbeat_timeout_s=60, a=a, b=b)("train", ("a", "b"))
    assert answers.got == {"b": {"x": 1}}
    assert answers.lost == {"a": "did not send its reply of 1000 MB, asked 4 times"}


@pytest.mark.parametrize(
    "sent",
    [
        {"pieces": [], "shape": [0]},
        {"pieces": [np.zeros(2)], "shape": [3]},
        {"pieces": [np.zeros(2)]},
        {"pieces": [np.zeros(1), np.zeros(1, np.float32)], "shape": [2]},
        {"pieces": [np.array([None])], "shape": [1]},
        {"pieces": ["x"], "shape": [1]},
        {"pieces": 3, "shape": [1]},
        {"pieces": [np.zeros(1)], "shape": ["x"]},
    ],
)
@pytest.mark.parametrize("large", [True, False])
def test_arrays_that_do_not_fit_lose_the_site_alone(played: Any, sent: Any, large: bool) -> None:
    answers = [{READY: 10**8}, {"w": sent}] if large else [{"w": sent}]
    sites = {"a": Played(*answers), "b": Played({"x": 1})}
    found = played(heartbeat_timeout_s=60, **sites)("train", ("a", "b"))
    assert found.got == {"b": {"x": 1}}
    assert found.lost["a"].startswith("sent ")


def test_one_ping_without_a_response_does_not_make_a_site_silent(
    played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the network is cut for a moment while the site works on its answer."""
    monkeypatch.setattr(module, "_WAIT_S", 0.01)

    def slow() -> dict[str, int]:
        a.lives = False
        pinged.wait(10)
        a.lives = True
        return {"x": 1}

    class Pinged(Played):
        def alive(self) -> bool:
            pinged.set()
            return super().alive()

    pinged, a = threading.Event(), Pinged(slow, {"x": 2})
    call = played(heartbeat_timeout_s=2, a=a)
    assert call("train", ("a",)).got == {"a": {"x": 1}}
    assert "alive" in a.asked
    assert call.silent == {}
    assert call("train", ("a",)).got == {"a": {"x": 2}}


def test_large_answers_are_fetched_one_after_another(played: Any) -> None:
    at_once, most = [0], [0]

    def counted() -> dict[str, int]:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        threading.Event().wait(0.05)
        at_once[0] -= 1
        return {"x": 1}

    sites = {name: Played({READY: 10**9}, counted) for name in "abc"}
    assert len(played(heartbeat_timeout_s=60, **sites)("train", tuple("abc")).got) == 3
    assert most == [1]


def test_a_question_that_never_arrived_is_asked_again(played: Any) -> None:
    a = Played(cut(), UNKNOWN, {"x": 1})
    assert played(heartbeat_timeout_s=60, a=a)("train", ("a",)).got == {"a": {"x": 1}}
    assert a.asked == ["call", "call", "call"]


def test_a_dead_site_costs_its_silence_once_then_a_ping_a_call(played: Any) -> None:
    dead, well = Played(cut(), lives=False), Played({"x": 1})
    call = played(a=dead, b=well)
    for number in range(3):
        answers = call("train", ("a", "b"))
        assert answers.got == {"b": {"x": 1}}
        assert answers.lost["a"] == ("is still silent" if number else "was silent for 0 s")
    assert dead.asked == ["call", "alive", "alive", "alive"]
    call.heartbeat_timeout_s, call.silent["a"] = 60, float("inf")
    assert call("train", ("a", "b")).lost["a"] == "is still silent"
    assert len(dead.asked) == 4  # nor a ping before its time
    call.silent["a"] = 0.0
    dead.lives, dead.answers = True, [{"x": 2}]
    assert call("train", ("a", "b")).got == {"a": {"x": 2}, "b": {"x": 1}}


def test_a_slow_site_is_left_out_of_this_call_only(played: Any) -> None:
    slow = Played(BUSY)
    call = played(timeout_s=0.2, heartbeat_timeout_s=60, a=slow)
    assert "longer than federation.timeout_s = 0.2 s" in call("train", ("a",)).lost["a"]
    slow.answers = [{"x": 1}]
    assert call("train", ("a",)).got == {"a": {"x": 1}}


def test_refusals_are_told_and_failures_are_not(played: Any) -> None:
    call = played(a=Played({"refused": "does not"}), b=Played({"failed": "ValueError"}))
    assert call("reply", ("a", "b")).lost == {
        "a": "does not",
        "b": in_words("ValueError"),
    }


def test_who_is_not_waited_for_works_on_and_answers_later(played: Any) -> None:
    gate = threading.Event()
    slow, quick = Played(lambda: gate.wait(10) and {"x": "slow"}), Played({"x": "quick"})
    call = played(a=slow, b=quick)
    for _ in range(2):
        assert call("train", ("a", "b"), enough=1).got == {"b": {"x": "quick"}}
    gate.set()
    found = call("train", ("a", "b"), enough=2).got
    assert found == {"a": {"x": "slow"}, "b": {"x": "quick"}}
    assert slow.asked == ["call"]


def test_a_large_message_says_what_it_may_take(played: Any) -> None:
    """20 MB at 1 MB/s; the same size is told once."""
    call = played(a=Played({"x": 1}))
    told: list[str] = []
    call.say = told.append
    large = [np.zeros(5_000_000, np.float32)]
    for _ in range(2):
        call("train", ("a",), weights=large)
        call("train", ("a",), weights=[np.zeros(3)])
    (text,) = told
    assert text.startswith("20 MB go to a and the other sites; 20 s each way are allowed")
