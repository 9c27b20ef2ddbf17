"""The progress of one stage is told to the command with its name."""

from flame.core.progress import of_stage


def test_a_stage_adds_its_name() -> None:
    told = []
    show = of_stage(lambda stage, done, total: told.append((stage, done, total)), "headers")
    show(1, 2)
    show(2, 2)
    assert told == [("headers", 1, 2), ("headers", 2, 2)]
