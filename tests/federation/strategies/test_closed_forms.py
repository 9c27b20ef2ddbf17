"""Strategies on problems whose answer is known: quadratics, outliers, one step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame.core.errors import FlameError
from flame.core.scores import Correction, Update
from flame.federation.strategies.strategy import State
from tests.federation.strategies.test_conformance import opened

A = [np.diag([1.0, 3.0]), np.diag([4.0, 0.5]), np.array([[2.0, 0.5], [0.5, 1.0]])]
B = [np.array([1.0, 2.0]), np.array([-3.0, 1.0]), np.array([0.5, -4.0])]
OPTIMUM = np.linalg.solve(sum(A), sum(B))
"""Of sum 1/2 x'Ax - b'x over three sites."""
RATE = 0.05


def local(site: int, start: np.ndarray, steps: int, how: Correction) -> np.ndarray:
    """Gradient steps on the site's quadratic, corrected as a network's would be."""
    x = start.copy()
    centre = how.towards[0] if how.towards else start
    for _ in range(steps):
        gradient = A[site] @ x - B[site] + how.proximal * (x - centre)
        x = x - RATE * (gradient + (how.linear[0] if how.linear else 0))
    return x


def run(name: str, rounds: int, steps: tuple[int, ...] = (5, 5, 5), **options: float) -> np.ndarray:
    strategy, at = (
        opened(name, **({"learning_rate": RATE} if name == "scaffold" else {}), **options),
        (State([np.zeros(2)])),
    )
    for _ in range(rounds):
        updates = []
        for site, count in enumerate(steps):
            x = strategy.weights_for(at, str(site))[0]
            for how in strategy.corrections(at, str(site)):
                x = local(site, x, count, how)
            updates.append(Update(str(site), [x], 1, 1.0, 0.0, count))
        at = strategy.aggregate(at, updates)
    return np.asarray(at.weights[0])


def updates_of(*values: float, losses: float = 0.7) -> list[Update]:
    return [Update(str(i), [np.array([v])], 1, losses, 0.0) for i, v in enumerate(values)]


def test_one_step_of_fedavg_is_the_pooled_gradient_step() -> None:
    pooled = -RATE * np.mean([a @ np.zeros(2) - b for a, b in zip(A, B, strict=True)], axis=0)
    assert run("fedavg", 1, (1, 1, 1)) == pytest.approx(pooled)


@pytest.mark.slow
def test_fedavg_misses_the_optimum_that_scaffold_and_feddyn_find() -> None:
    assert np.linalg.norm(run("fedavg", 2000) - OPTIMUM) > 0.01
    assert run("scaffold", 2000) == pytest.approx(OPTIMUM, abs=1e-8)
    assert run("feddyn", 4000, (200, 200, 200), alpha=0.5) == pytest.approx(OPTIMUM, abs=1e-6)


@pytest.mark.slow
def test_fednova_is_unbiased_by_unequal_steps() -> None:
    # Few steps of a small rate: what is left is the bias by who steps more.
    global RATE
    kept, RATE = RATE, 0.0005
    try:
        nova, average = (run(n, 30000, (1, 4, 10)) for n in ("fednova", "fedavg"))
    finally:
        RATE = kept
    assert np.linalg.norm(nova - OPTIMUM) < 0.02
    assert np.linalg.norm(average - OPTIMUM) > 10 * np.linalg.norm(nova - OPTIMUM)


def test_fednova_with_equal_steps_is_fedavg() -> None:
    assert run("fednova", 7) == pytest.approx(run("fedavg", 7))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fedavgm", {"momentum": 0.0}),
        ("fedprox", {"mu": 0.0}),
        ("qffl", {"q": 0.0}),
        ("trimmed-mean", {"num_trimmed": 0}),
        ("centred-clipping", {"radius": 1e9}),
    ],
)
def test_the_limit_of_the_option_is_the_mean(name: str, options: dict[str, float]) -> None:
    assert run(name, 6, **options) == pytest.approx(run("fedavg", 6), abs=1e-9)


def test_fedprox_keeps_sites_near() -> None:
    near, far = (
        np.abs(
            local(
                1,
                np.zeros(2),
                200,
                opened("fedprox", mu=mu).corrections(State([np.zeros(2)]), "1")[0],
            )
        ).max()
        for mu in (10.0, 0.0)
    )
    # The corrected optimum is (A + mu)^-1 b.
    assert near == pytest.approx(
        np.abs(np.linalg.solve(A[1] + 10 * np.eye(2), B[1])).max(), rel=0.1
    )
    assert near < far / 2


def test_momentum_by_hand() -> None:
    # Changes of 1 and then 1: velocities 1 and 1.5.
    strategy, at = opened("fedavgm", momentum=0.5), State([np.zeros(1)])
    at = strategy.aggregate(at, updates_of(1.0))
    at = strategy.aggregate(at, updates_of(2.0))
    assert at.weights[0] == pytest.approx([2.5])


@pytest.mark.parametrize(
    ("name", "second"),
    [("fedadam", 1e-6 * 0.99 + 0.01 * 4), ("fedyogi", 1e-6 + 0.01 * 4), ("fedadagrad", 1e-6 + 4)],
)
def test_one_step_of_the_server_by_hand(name: str, second: float) -> None:
    first = 2.0 if name == "fedadagrad" else 0.1 * 2.0
    found = opened(name, server_learning_rate=0.5).aggregate(State([np.zeros(1)]), updates_of(2.0))
    assert found.weights[0] == pytest.approx([0.5 * first / (np.sqrt(second) + 1e-3)])


def test_flash_without_drift_is_fedadam_and_steps_further_after_a_jump() -> None:
    values = [0.01, 0.015, 0.02, 0.1]

    def went(name: str, **options: float) -> list[float]:
        strategy, at, found = (
            opened(name, server_learning_rate=0.001, **options),
            State([np.zeros(1)]),
            [],
        )
        for value in values:
            after = strategy.aggregate(at, updates_of(value))
            found.append((after.weights[0] - at.weights[0]).item())
            at = after
        return found

    adam, still, flash = went("fedadam"), went("flash", drift=False), went("flash")
    assert still == pytest.approx(adam)
    assert flash[3] > 1.5 * adam[3]  # the first round in which changes are suddenly large


def test_qffl_by_hand() -> None:
    # Losses 1 and 3, changes 1 and 2, q = 1, L = 1: (1 + 3 * 2) / (1 + 1 + 4 + 3).
    updates = [
        Update(str(i), [np.array([v])], 1, loss, 0.0)
        for i, (v, loss) in enumerate([(1, 1), (2, 3)])
    ]
    found = opened("qffl").aggregate(State([np.zeros(1)]), updates)
    assert found.weights[0] == pytest.approx([7 / 9])


ROBUST = [
    ("median", {}),
    ("geometric-median", {}),
    ("krum", {"num_byzantine": 2}),
    ("bulyan", {"num_byzantine": 2}),
    ("trimmed-mean", {"num_trimmed": 2}),
    ("centred-clipping", {"radius": 1.0}),
]


@pytest.mark.parametrize(("name", "options"), ROBUST)
@given(honest=st.lists(st.floats(-1, 1), min_size=9, max_size=11), lie=st.sampled_from([1e6, -1e6]))
def test_two_liars_of_eleven_do_no_harm(
    name: str, options: dict[str, float], honest: list[float], lie: float
) -> None:
    strategy = opened(name, **options)
    found = strategy.aggregate(State([np.zeros(1)]), updates_of(*honest, lie, lie)).weights[0]
    assert np.abs(found).max() <= 3.1  # clipping: three steps of a radius of 1


def test_medians_by_hand() -> None:
    assert opened("median").aggregate(State([np.zeros(1)]), updates_of(1, 2, 9)).weights[0] == 2
    # The geometric median of the corners of a triangle with all angles below 120 degrees sees
    # its sides under 120 degrees: of an equilateral one it is the centre.
    corners = [np.array(p) for p in ([0.0, 0], [1, 0], [0.5, np.sqrt(0.75)])]
    updates = [Update(str(i), [c], 1, 0.0, 0.0) for i, c in enumerate(corners)]
    found = opened("geometric-median").aggregate(State([np.zeros(2)]), updates).weights[0]
    assert found == pytest.approx([0.5, np.sqrt(0.75) / 3], abs=1e-6)


def test_krum_by_hand() -> None:
    # Of 0, 1, 1.1, 1.3, 50 with one liar (two neighbours each) the scores are 2.21, 0.1, 0.05,
    # 0.13 and more: 1.1 wins, and the best two are 1.1 and 1.
    five = updates_of(0, 1, 1.1, 1.3, 50)
    at = State([np.zeros(1)])
    assert opened("krum", num_byzantine=1).aggregate(at, five).weights[0] == pytest.approx([1.1])
    assert opened("krum", num_byzantine=1, keep=2).aggregate(at, five).weights[0] == pytest.approx(
        [1.05]
    )


@pytest.mark.parametrize(
    ("name", "options", "least"),
    [
        ("krum", {"num_byzantine": 2}, 7),
        ("bulyan", {"num_byzantine": 1}, 7),
        ("trimmed-mean", {"num_trimmed": 2}, 5),
    ],
)
def test_too_few_sites_are_refused(name: str, options: dict[str, float], least: int) -> None:
    few, enough = updates_of(*range(least - 1)), updates_of(*range(least))
    opened(name, **options).aggregate(State([np.zeros(1)]), enough)
    with pytest.raises(FlameError, match=f"needs {least} sites, not {least - 1}"):
        opened(name, **options).aggregate(State([np.zeros(1)]), few)


def test_own_arrays_stay_and_the_rest_is_averaged() -> None:
    names = ("conv/kernel", "group_normalization/gamma", "dense/kernel", "dense/bias")
    updates = [Update(s, [np.array([v])] * 4, 1, 0.0, 0.0) for s, v in (("a", 1.0), ("b", 3.0))]
    for name, own in (("fedbn", [1]), ("fedrep", [2, 3])):
        strategy = opened(name)
        at = strategy.aggregate(State([np.zeros(1)] * 4, {}, names), updates)
        for site, value in (("a", 1.0), ("b", 3.0), ("new", 2.0)):
            found = [float(w[0]) for w in strategy.weights_for(at, site)]
            assert found == [value if i in own else 2.0 for i in range(4)]
    head, body = opened("fedrep").corrections(State([np.zeros(1)] * 4, {}, names), "a")
    assert (head.frozen, body.frozen) == ([True, True, False, False], [False, False, True, True])


def test_ditto_reaches_the_optimum_of_each_site_held_near_everyones() -> None:
    # v = argmin f_k(v) + s/2 |v - w|^2, that is (A_k + s) v = b_k + s w, with w that of FedAvg.
    strategy, at, strength = opened("ditto", lambda_=2.0), State([np.zeros(2)]), 2.0
    for _ in range(400):
        updates = []
        for site in range(3):
            own, everyone = strategy.corrections(at, str(site))
            also = local(site, own.start[0], 5, own)
            x = local(site, everyone.start[0], 5, everyone)
            updates.append(Update(str(site), [x], 1, 0.0, 0.0, 5, ([also],)))
        at = strategy.aggregate(at, updates)
    w = run("fedavg", 400)
    assert np.allclose(at.weights[0], w, atol=1e-9)
    for site in range(3):
        v = np.linalg.solve(A[site] + strength * np.eye(2), B[site] + strength * w)
        assert np.allclose(strategy.weights_for(at, str(site))[0], v, atol=1e-6)


def test_an_old_change_counts_less_in_fedbuff() -> None:
    # Changes 4 and 2 of which the second began at 10, three rounds ago: (4 + 2 / 2) / 2.
    new = Update("a", [np.array([4.0])], 9, 0.0, 0.0)
    old = Update("b", [np.array([12.0])], 1, 0.0, 0.0, since=[np.array([10.0])], staleness=3)
    at = opened("fedbuff", buffer=2).aggregate(State([np.zeros(1)]), [new, old])
    assert at.weights[0] == pytest.approx(2.5)
    half = opened("fedbuff", buffer=2, server_learning_rate=0.5).aggregate(
        State([np.zeros(1)]), [new, old]
    )
    assert half.weights[0] == pytest.approx(1.25)


def test_keeping_nothing_is_said() -> None:
    kernel = State([np.zeros(1)], {}, ("dense/kernel",))
    assert "FedAvg under another name" in opened("fedbn").warning(kernel)
    assert opened("fedrep").warning(kernel) == ""
    assert opened("fedavg").warning(kernel) == ""


def test_fedpid_follows_the_losses_of_its_sites() -> None:
    """By hand: patients 6 and 2; losses (3, 4), (2, 4), (1, 2) and (2, 1)."""
    strategy = opened("fedpid", proportional=0.5, derivative=0.3, integral=0.2)
    at = State([np.zeros(1)])
    found = []
    for a, b in ((3.0, 4.0), (2.0, 4.0), (1.0, 2.0), (2.0, 1.0)):
        updates = [
            Update("a", [np.array([1.0])], 6, a, 0.0),
            Update("b", [np.array([0.0])], 2, b, 0.0),
        ]
        at = strategy.aggregate(at, updates)
        found.append(float(at.weights[0][0]))
    expected = [
        0.75,  # nothing has fallen: patients alone
        0.5 * 0.75 + 0.3 + 0.2,  # a alone fell, lately and ever
        0.5 * 0.75 + 0.3 * 1 / 3 + 0.2 * 2 / 4,  # lately 1 and 2, ever 2 and 2
        0.5 * 0.75 + 0.3 * 0 + 0.2 * 1 / 4,  # lately -1, which counts as 0, and 1; ever 1 and 3
    ]
    assert found == pytest.approx(expected)
