"""The HTML of the page: the contents of its tables, and the escaping of texts from an index."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from support.matrix import matrix, result

from lockgen.compat.html_page import STATUSES, page, summary, tally, worst

PYTHON_TORCH = {"python": ["3.10", "3.11"], "torch": ["2.4.1", "2.5.1"]}


class Reader(HTMLParser):
    """The rows of the grids as texts, and all elements with their attributes."""

    VOID = frozenset({"meta", "link", "input", "use", "path"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self._grid = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self._grid = dict(attrs).get("class") == "grid"
        if self._grid and tag == "tr":
            self.rows.append([])
        if self._grid and tag in ("th", "td"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self._grid and self.rows and self.rows[-1] and {"th", "td"} & set(self.open):
            self.rows[-1][-1] = " ".join((self.rows[-1][-1] + data).split())


def rows(text: str) -> list[list[str]]:
    reader = Reader(text)
    assert reader.open == []
    return reader.rows


def test_torch_makes_rows_and_python_columns_in_any_order_of_axes() -> None:
    found = matrix(
        PYTHON_TORCH,
        {
            ("3.10", "2.4.1"): [result("no")],
            ("3.11", "2.4.1"): [result("changes")],
            ("3.10", "2.5.1"): [result("yes")],
            ("3.11", "2.5.1"): None,
        },
    )
    assert rows(page(found)) == [
        ["torch", "python"],
        ["3.10", "3.11"],
        ["2.4.1", "torch 2.4.1, python 3.10:no", "torch 2.4.1, python 3.11:changes 1 pin changes"],
        ["2.5.1", "torch 2.5.1, python 3.10:resolves", "excluded"],
    ]


def test_more_axes_nest_in_the_rows_and_each_header_occurs_once() -> None:
    axes = {"numpy": ["1.26.4", "2.3.4"], **PYTHON_TORCH}
    cells: dict[tuple[str, ...], Any] = {
        (numpy, "3.11", torch): [result("yes")] for numpy in axes["numpy"] for torch in axes["torch"]
    }
    text = page(matrix(axes, cells))
    assert [row[: 2 if len(row) > 3 else 1] for row in rows(text)[2:]] == [
        ["2.4.1", "1.26.4"],
        ["2.3.4"],
        ["2.5.1", "1.26.4"],
        ["2.3.4"],
    ]
    assert text.count('<th scope="rowgroup" rowspan="2">') == 2
    assert rows(text)[2][2] == "not run"


def test_each_variant_has_its_own_tables_and_only_its_own_cells() -> None:
    axes = {"torch": ["2.5.1"], "variant": ["cpu", "cuda"]}
    groups = [("ml:cuda", "cuda"), ("base:cpu", "cpu")]
    cells: dict[tuple[str, ...], Any] = {
        ("2.5.1", "cpu"): [result("yes", "base:cpu")],
        ("2.5.1", "cuda"): [result("no")],
    }
    text = page(matrix(axes, cells, groups=groups))
    assert re.findall(r"<h2 [^>]*>(.*?)</h2>", text) == ["cuda", "cpu"]
    assert [row[-1] for row in rows(text) if row[0] == "2.5.1"] == ["torch 2.5.1:no", "torch 2.5.1:resolves"]


def test_a_matrix_of_python_alone_is_a_row() -> None:
    cells: dict[tuple[str, ...], Any] = {("3.10",): [result("yes")], ("3.11",): [result("unknown")]}
    assert rows(page(matrix({"python": ["3.10", "3.11"]}, cells)))[2] == ["python 3.10:resolves", "python 3.11:unknown"]


def test_a_cell_that_runs_looks_different_from_one_that_only_resolves() -> None:
    def installed(status: str, reason: str = "", native: tuple[str, ...] = ()) -> dict[str, Any]:
        return {"status": status, "reason": reason, "native": list(native)}

    cells: dict[tuple[str, ...], Any] = {
        ("3.8",): [result("yes", installed=installed("unknown", "no Python 3.8"))],
        ("3.9",): [result("changes", installed=installed("no", "whisperx cannot be imported"))],
        ("3.10",): [result("yes", installed=installed("yes"))],
        ("3.11",): [result("yes")],
        ("3.12",): [result("yes", installed=installed("no", "torch cannot be imported"))],
        ("3.13",): [result("changes", installed=installed("yes", native=("libcudnn.so.8 is missing",)))],
    }
    found = matrix({"python": [python for (python,) in cells]}, cells)
    text = page(found)
    assert rows(text)[2] == [
        "python 3.8:resolves could not be run",
        "python 3.9:does not run 1 pin changes",
        "python 3.10:runs",
        "python 3.11:resolves",
        "python 3.12:does not run",
        "python 3.13:changes 1 pin changes, runs, libraries missing",
    ]
    assert summary(found) == "6 cells: 1 runs, 2 resolves, 1 changes, 2 does not run"
    ran = re.findall(r"<h4>Installed and imported</h4>\n<p .*<b>(.*)</b> <span>(.*)</span></p>", text)
    assert ran == [
        ("could not be run", "no Python 3.8"),
        ("does not run", "whisperx cannot be imported"),
        ("runs", ""),
        ("does not run", "torch cannot be imported"),
        ("runs", ""),
    ]


def test_each_kind_of_cell_has_its_word_icon_and_filter() -> None:
    text = page(matrix({"python": ["3.11"]}, {("3.11",): [result("yes")]}))
    for status, (label, meaning) in STATUSES.items():
        assert f'<symbol id="icon-{status}"' in text
        legend = f'<input type="checkbox" id="show-{status}" checked>'
        assert f"{legend}<svg" in text
        assert f"<b>{label}</b> <span>{meaning}</span></label>" in text


def test_a_cell_counts_as_the_worst_of_its_groups() -> None:
    cells: dict[tuple[str, ...], Any] = {
        ("3.10", "2.4.1"): [result("yes", "base:cuda"), result("no")],
        ("3.11", "2.4.1"): [result("changes", "base:cuda"), result("unknown")],
        ("3.10", "2.5.1"): [result("yes", "base:cuda"), result("changes")],
        ("3.11", "2.5.1"): None,
    }
    found = matrix(PYTHON_TORCH, cells, groups=[("ml:cuda", "cuda"), ("base:cuda", "cuda")])
    assert summary(found) == "3 cells: 1 changes, 1 no, 1 unknown; 1 excluded"
    assert "3 cells: 1 changes, 1 no, 1 unknown; 1 excluded" in page(found)
    assert worst([]) == "unknown"
    assert tally([]) == "none"


EVIL = "</pre></details></section><script>alert(1)</script><img src=x onerror=alert(1)>\"' onclick='x'"


@pytest.mark.parametrize("status", ["no", "changes", "yes", "unknown"])
def test_texts_from_an_index_are_escaped(status: str) -> None:
    native = [EVIL]
    installed = {"status": "no", "reason": EVIL, "native": native}
    bad = result(status, reason=EVIL, detail=EVIL, images=[EVIL], installed=installed)
    bad |= {"versions": {EVIL: EVIL}, "changes": {EVIL: [EVIL, EVIL]}}
    text = page(matrix({"torch": [EVIL]}, {(EVIL,): [bad]}, family=EVIL))
    reader = Reader(text)
    assert reader.open == []
    assert [tag for tag, _ in reader.elements].count("script") == 1
    assert not any(tag == "img" or "onerror" in attrs or "onclick" in attrs for tag, attrs in reader.elements)
    assert text.count("&lt;script&gt;alert(1)") >= 9


def test_the_page_fetches_nothing_and_has_a_policy_against_it() -> None:
    reader = Reader(page(matrix({"python": ["3.11"]}, {("3.11",): [result("yes")]})))
    for tag, attrs in reader.elements:
        assert not {"src", "srcset", "data", "action", "poster"} & attrs.keys(), tag
        assert (attrs.get("href") or "#").startswith(("#", "data:")), tag
    policies = [attrs["content"] for tag, attrs in reader.elements if attrs.get("http-equiv")]
    assert len(policies) == 1
    assert str(policies[0]).startswith("default-src 'none'; style-src 'sha256-")


def test_the_same_matrix_gives_the_same_bytes() -> None:
    found = matrix({"python": ["3.11"]}, {("3.11",): [result("changes")]})
    assert page(found) == page(found)
