"""Pages: one file, nothing from the network, no path of this machine, markup of users escaped."""

import re
from dataclasses import replace

from flame.evaluation.pages.page import page, without_paths
from flame.evaluation.pages.sections import Cell, Section
from flame.federation.config import TrainConfig


def test_what_users_write_is_no_markup(toy: TrainConfig) -> None:
    rows = [["<script>alert(1)</script>", Cell("0.5", "0.4 to 0.6")]]
    section = Section("s", "Title <b>", "note & note", ["hospital", "AUC"], rows)
    html = page(toy, "A page", True, ["warning <i>"], [section], ["limit"])
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "Title &lt;b&gt;" in html
    assert "warning &lt;i&gt;" in html
    assert "0.4 to 0.6" in html
    assert "Simulated patients" in html


def test_a_page_needs_no_network(toy: TrainConfig) -> None:
    html = page(toy, "A page", None, [], [], [])
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)


def test_paths_become_file_names(toy: TrainConfig) -> None:
    config = replace(toy, data=replace(toy.data, table="/home/jane/table.csv"))
    assert without_paths(config).data.table == "table.csv"
    html = page(config, "A page", True, [], [], [])
    assert "table.csv" in html
    assert "/home/jane" not in html
