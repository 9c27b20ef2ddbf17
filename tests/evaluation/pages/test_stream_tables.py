"""Words of the page of a stream that are chosen by figures."""

from flame.evaluation.pages.stream_tables import gap_in_words


def test_how_much_of_the_gap_is_closed_is_told_in_words() -> None:
    most, other = ("oracle", 0.9), ("other", 0.8)
    assert "mine closes 50 % of that gap" in gap_in_words("mine", ("mine", 0.85), other, most)
    assert "mine is 1.0 percentage points below other" in gap_in_words(
        "mine", ("mine", 0.79), other, most
    )
    above = gap_in_words("mine", ("mine", 0.92), other, most)
    assert above.endswith("mine is 2.0 percentage points better than oracle.")
    assert "is no better" in gap_in_words("mine", ("mine", 0.95), ("other", 0.91), most)
