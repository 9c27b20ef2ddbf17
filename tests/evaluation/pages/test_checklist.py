"""The reporting checklist has every item of both guidelines, filled from the run."""

import re

from flame.evaluation.pages.checklist import checklist
from flame.federation.config import TrainConfig
from tests.helpers.reports import evaluation


def test_every_item_of_both_guidelines_is_in_the_list(toy: TrainConfig) -> None:
    content = evaluation(toy)
    section = checklist(content.task, content.report, content.counts)
    tripod = " ".join(str(row[0]) for row in section.rows)
    claim = " ".join(str(row[1]) for row in section.rows)
    # Collins 2024 has items 1 to 27, Tejani 2024 items 1 to 44.
    assert numbers(tripod) == set(range(1, 28))
    assert numbers(claim) == set(range(1, 45))


def numbers(text: str) -> set[int]:
    """All numbers of a list such as "5, 7-9, 12b-d"."""
    found = set[int]()
    for first, last in re.findall(r"(\d+)[a-z]?(?:-(\d+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_the_run_fills_in_what_it_documents_and_leaves_the_rest_to_the_authors(
    toy: TrainConfig,
) -> None:
    content = evaluation(toy)
    rows = {str(row[2]): row[3] for row in _rows(content)}
    assert rows["Sample size"] == "60 patients; no sample size calculation"
    assert rows["Participants, eligibility, treatments"].startswith("2 hospitals")
    assert "2 folds within each hospital" in rows["Partitions"]
    assert rows["Title, abstract"] == "to be completed by the authors"


def _rows(content: object) -> list[list[str]]:
    section = checklist(content.task, content.report, content.counts)  # type: ignore[attr-defined]
    return [[str(cell) for cell in row] for row in section.rows]
