"""The layout that all pages share."""

import re

from flame.core.html import filled

FORECAST = ("flame.evaluation.pages", "page.html.j2")


def page(**changes: object) -> str:
    content: dict[str, object] = {
        **dict.fromkeys(
            ("title", "about", "version", "subject", "verdict", "configuration"), "<x>"
        ),
        **dict.fromkeys(("warnings", "sections", "limits"), []),
        "simulated": None,
        "refresh_s": 0,
    }
    return filled(*FORECAST, **(content | changes))


def test_text_is_escaped_and_the_layout_is_there() -> None:
    html = page()
    assert "<x>" not in html
    assert "&lt;x&gt;" in html
    assert "@media print" in html
    assert '<html lang="en">' in html
    assert 'name="viewport"' in html


def test_a_page_refers_to_no_other_file() -> None:
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page())


def test_only_a_page_of_a_running_training_loads_itself_again() -> None:
    assert "location.reload" not in page()
    assert "location.reload" in page(refresh_s=30)
