"""Synthetic sources and schedules: what is drawn is what the concept says, when it says so."""

import hashlib

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.sources.concepts import SOURCES, Between
from flame.streams.sources.schedules import SCHEDULES, ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream

RING = GossipNetwork(GossipConfig(), tuple("abcdef")).links(0)


def made(**given: object) -> ScheduleConfig:
    return ScheduleConfig(**{"nodes": 6, "steps": 8, "at": (3,), "order": (0, 1), **given})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list(SOURCES))
def test_every_source_is_repeatable_and_its_concepts_differ(name: str) -> None:
    plan = plan_of(made(nodes=2), None, 0)
    config = SyntheticConfig(name, samples=400)
    one, same = synthetic_stream(config, plan, 4), synthetic_stream(config, plan, 4)
    assert all(np.array_equal(a.x, b.x) for a, b in zip(one.batches, same.batches, strict=True))
    for batch in one.batches:
        assert batch.x.shape[:2] == batch.y.shape == (2, 400)
        assert np.array_equal(batch.y, batch.truth)
        assert batch.y.max() < len(one.classes)
    source, rng = SOURCES[name], np.random.default_rng(0)
    x = source.features(2000, rng)
    for concept in range(1, source.concepts):
        turned = ~np.isclose(source.seen(x, only(0)), source.seen(x, only(concept))).all(axis=-1)
        assert (turned | (source.label(x, only(0)) != source.label(x, only(concept)))).mean() > 0.03


def only(concept: int) -> Between:
    return Between(concept, concept, 0.0)


def test_boundaries_by_hand() -> None:
    sea, circle, sine = SOURCES["sea"], SOURCES["circle"], SOURCES["sine"]
    x = np.array([[4.0, 4.5, 0.0]])  # x1 + x2 = 8.5: above 8, not above 9
    assert [int(sea.label(x, only(c))[0]) for c in range(4)] == [0, 1, 0, 1]
    assert int(sea.label(x, Between(0, 1, 0.6))[0]) == 1  # between: 8.6
    assert int(sea.label(x, Between(0, 2, 0.5))[0]) == 0  # 7.5, and not 9
    assert int(circle.label(np.array([[0.2, 0.5]]), only(0))[0]) == 0  # the centre lies within
    low = np.array([[0.5, 0.1]])
    assert sine.label(low, only(0)) != sine.label(low, only(1))


def test_noise_is_as_declared_and_truth_is_kept() -> None:
    config = SyntheticConfig("digits-swapped", samples=3000, noise=0.2)
    stream = synthetic_stream(
        config, plan_of(made(nodes=2, steps=3, at=(), order=(0,)), None, 0), 1
    )
    wrong = np.mean([(b.y != b.truth).mean() for b in stream.batches])
    assert abs(wrong - 0.2) < 0.01


@pytest.mark.parametrize("drift", ["covariate", "label"])
def test_other_drifts_leave_the_concept_alone(drift: str) -> None:
    config = SyntheticConfig("sea", samples=500, drift=drift)
    stream = synthetic_stream(config, plan_of(made(nodes=2), None, 0), 1)
    for batch in stream.batches:
        raw = batch.x / np.sqrt(12) * 10 + 5
        assert np.array_equal(batch.y, (raw[..., 0] + raw[..., 1] <= 8).astype(int))
    before, after = stream.batches[0], stream.batches[-1]
    if drift == "label":
        assert abs((before.y == 0).mean() - 0.5) < 0.05
        assert abs((after.y == 0).mean() - 0.2) < 0.05
    else:
        assert np.abs(before.x.mean(axis=(0, 1)) - after.x.mean(axis=(0, 1))).max() > 0.5


def test_manners_of_change() -> None:
    sudden = plan_of(made(), None, 0)
    assert sudden.concept[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    slow = plan_of(made(manner="gradual", width=4), None, 0)
    assert np.allclose(slow.share[3:7, 0], [0.25, 0.5, 0.75, 1])
    assert slow.concept[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    back = plan_of(made(at=(2, 5), order=(0, 1, 0)), None, 0)
    assert back.concept[:, 0].tolist() == [0, 0, 1, 1, 1, 0, 0, 0]
    stream = synthetic_stream(
        SyntheticConfig("sea", 4000), plan_of(made(manner="incremental", width=4), None, 0), 0
    )
    raw = stream.batches[4].x / np.sqrt(12) * 10 + 5  # half way from 8 to 9
    assert np.array_equal(stream.batches[4].y, (raw[..., 0] + raw[..., 1] <= 8.5).astype(int))


def test_steps_on_the_way_to_another_concept_are_marked() -> None:
    plan = plan_of(made(manner="gradual", width=4), None, 0)
    stream = synthetic_stream(SyntheticConfig("digits-turned", samples=3), plan, 0)
    assert stream.changed[:, 0].tolist() == [False] * 3 + [True] * 4 + [False]
    assert stream.first(4).changed.sum() == stream.changed.shape[1]
    sudden = synthetic_stream(SyntheticConfig("sea", 10), plan_of(made(), None, 0), 0)
    assert sudden.changed[:, 0].tolist() == [False] * 3 + [True] + [False] * 4


def test_drift_spreads_along_the_graph_and_staggered() -> None:
    plan = plan_of(made(spread="along-graph", delay=1), RING, 0)
    first = (plan.concept == 1).argmax(axis=0)
    assert first.min() == 3
    assert sorted(first - 3) == [0, 1, 1, 2, 2, 3]  # hops on a ring of six
    for node in range(6):
        assert abs(first[node] - first[(node + 1) % 6]) <= 1
    later = (plan_of(made(spread="staggered", delay=4), None, 3).concept == 1).argmax(axis=0)
    assert later.min() >= 3
    assert later.max() <= 7
    assert len(set(later)) > 1


def test_published_schedules_are_those_of_the_authors() -> None:
    """The 110 digits of each file of their repository (data/changepoints), hashed."""
    hashes = {
        "A": "0dcd5f679c98",
        "B": "02e144d29246",
        "C": "daa8f4494616",
        "D": "11a67ef5902d",
        "E": "52e45b4e9f32",
        "F": "d6991190b100",
        "R0": "f10eacfa39de",
        "R5": "63390ef9b6af",
        "W": "69458a84e497",
        "X": "741b62e09d2b",
    }
    assert set(hashes) == {name for name in SCHEDULES if SCHEDULES[name]}
    for name, expected in hashes.items():
        plan = plan_of(ScheduleConfig(name), None, 0)
        digits = "".join(map(str, plan.concept.ravel()))
        assert hashlib.sha256(digits.encode()).hexdigest()[:12] == expected
        assert plan.within(2).concept.max() == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"order": (0, 1, 2)}, "schedule.order"),
        ({"manner": "slow"}, "manner must be one of"),
        ({"spread": "far"}, "spread must be one of"),
        ({"at": (5, 2)}, "schedule.at"),
        ({"name": "Q"}, "drift schedule"),
        ({"name": "B", "nodes": 6}, "is published"),
        ({"at": (8,)}, "steps from 1 to 7"),
        ({"at": (0,)}, "steps from 1 to 7"),
        ({"at": (2, 4), "order": (0, 1, 0), "manner": "gradual", "width": 3}, "begins before"),
        ({"width": 2}, "sudden changes have no width"),
        ({"delay": 2}, "together have no delay"),
    ],
)
def test_bad_schedules_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        made(**given)


def test_concepts_that_a_source_does_not_have_are_refused() -> None:
    for source, order in (("sea", (0, 4)), ("sine", (0, 2))):
        with pytest.raises(BadInput, match=f"concept {order[1]} does not exist"):
            synthetic_stream(SyntheticConfig(source), plan_of(made(order=order), None, 0), 0)
    published = plan_of(ScheduleConfig("B"), None, 0)
    with pytest.raises(BadInput, match="concept 3 does not exist.* 0 to 2"):
        synthetic_stream(SyntheticConfig("stagger"), published, 0)


def test_drift_does_not_spread_where_no_link_leads() -> None:
    apart = np.zeros((6, 6), bool)
    with pytest.raises(BadInput, match="does not reach every node"):
        plan_of(made(spread="along-graph"), apart, 0)


@pytest.mark.parametrize("source", ["sea", "circle", "stagger", "digits-turned"])
def test_a_drift_of_labels_has_its_priors_however_rare_a_class_is(source: str) -> None:
    config = SyntheticConfig(source, samples=300, drift="label")
    plan = plan_of(made(nodes=4, at=(2, 4, 6), order=(0, 1, 2, 3)), None, 0)
    stream = synthetic_stream(config, plan, 1)
    shares = [np.mean([b.y == 0 for b in stream.batches[k : k + 2]]) for k in (0, 2, 4, 6)]
    assert np.allclose(shares, [0.5, 0.2, 0.8, 0.35], atol=4 * np.sqrt(0.25 / 2400))


def test_nothing_lies_between_two_sines() -> None:
    with pytest.raises(BadInput, match="gradual"):
        synthetic_stream(SyntheticConfig("sine"), plan_of(made(manner="incremental"), None, 0), 0)
