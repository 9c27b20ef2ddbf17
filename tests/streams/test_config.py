"""Configurations of streams: one source, sections that have an effect, methods that exist."""

from typing import Any

import pytest

from flame.core.config import build
from flame.core.errors import BadInput
from flame.streams.config import StreamConfig, open_network, open_stream


def config(**given: Any) -> StreamConfig:
    return build(StreamConfig, given, "stream.toml")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "exactly one of synthetic.source, table.files, mri.hospitals and"),
        (
            {"synthetic": {"source": "sine"}, "mri": {"hospitals": 3}},
            "exactly one of synthetic.source, table.files, mri.hospitals and",
        ),
        ({"synthetic": {"source": "sine"}, "compare": []}, "name at least one method"),
        ({"synthetic": {"source": "sine"}, "detectors": ["adwim"]}, "did you mean 'adwin'"),
        ({"synthetic": {"source": "sine"}, "seeds": [1, 1]}, "name each seed once"),
        (
            {"synthetic": {"source": "sine"}, "methods": {"../up": {"learner": "replay"}}},
            "letters, digits",
        ),
    ],
)
def test_wrong_configurations_say_what_is_wrong(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        config(**given)


def test_nodes_and_steps_are_those_of_the_schedule() -> None:
    settings = config(
        synthetic={"source": "circle", "samples": 7}, schedule={"nodes": 3, "steps": 5}, hidden=6
    )
    stream = open_stream(settings, 0)
    assert len(stream.nodes) == 3
    assert len(stream.batches) == 5
    assert stream.batches[0].x.shape == (3, 7, 2)
    # Two features, six hidden units and one logit of two classes: 2 x 6 + 6 + 6 + 1 weights.
    assert open_network(settings, stream).size == 25


def test_places_of_nodes_need_a_table() -> None:
    settings = config(synthetic={"source": "sine"}, gossip={"topology": "places"})
    with pytest.raises(BadInput, match=r"needs table\.places"):
        open_stream(settings, 0)


def test_a_wrong_method_is_one_error() -> None:
    given = {"synthetic": {"source": "sine"}, "methods": {"mine": {"learner": "replai"}}}
    with pytest.raises(BadInput, match="did you mean 'replay'") as caught:
        config(**given)
    assert str(caught.value).count("\n") == 0
