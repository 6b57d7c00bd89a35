"""Texts from outside in the matrix: shards of other machines, names and messages of packages, output of resolvers.

Whatever they contain, the HTML page and the Markdown have the same elements as with harmless texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from support.matrix import matrix, result

from lockgen.compat.html_page import page
from lockgen.compat.model import Matrix
from lockgen.compat.reader import parse_matrix
from lockgen.compat.render import markdown, text
from lockgen.core.markdown import plain
from lockgen.core.printable import printable
from lockgen.errors import BadInput

HOSTILE = [
    "<script>alert(1)</script>",
    "</script></style><script>alert(1)</script>",
    "</style><style>@import url(//evil.example)</style>",
    "</title><base href=//evil.example>",
    "--><!-- ]]> <![CDATA[",
    "<img src=x onerror=alert(1)>",
    "\"' onclick='alert(1)' \" autofocus onfocus=alert(1) x=\"",
    "&lt;script&gt; &#60;b&#62; &amp;",
    "{{ 7 * 7 }} {% raw %} {# x #}",
    "javascript:alert(1)",
    "\x00\x07\x08\x1b]0;title\x07\x1b[2J\x7f\x85\x9b31m",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200b\u200d\ufeff",
    "line one\r\nline two\n\n# heading\n\n* item\n\n| a | b |\n|---|---|\n| c | d |",
    "\u2028\u2029 between lines",
    "![x](https://evil.example/x.png) [a](javascript:alert(1)) <https://evil.example>",
    "[ref]: https://evil.example\n[ref]",
    "`code` ``` ~~~ *bold* __bold__ ~~gone~~ \\",
    "@octocat #1 GH-1 owner/repo#1 https://evil.example www.evil.example",
    "| --- | a \\| b",
    "<details open ontoggle=alert(1)><summary>x</summary>",
    "\ud83d alone, and \U0001f600",
]


def matrix_with(evil: str, status: str, name: str | None = None) -> dict[str, Any]:
    """``evil`` as each message, and ``name`` (by default the same) as each name and version of a shard."""
    name = evil if name is None else name
    installed = {"status": "no", "reason": evil, "native": [evil]}
    bad = result(status, reason=evil, detail=evil, images=[name], installed=installed)
    bad |= {"versions": {name: name}, "changes": {name: [name, name]}}
    axes = {"torch": [name], "python": ["3.11"], "variant": [name]}
    found = matrix(axes, {(name, "3.11", name): [bad]}, family=name)
    found["groups"] = [{"name": "ml:cuda", "variant": name, "images": [name]}]
    return found


def parsed(found: dict[str, Any]) -> Matrix:
    return parse_matrix(json.dumps(found | {"inputs": "sha256:0"}).encode(), "shard.json")


class Elements(HTMLParser):
    """All elements, the names of their attributes, and the values of those that can do something."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[object, ...]] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        active = [(name, value) for name, value in attrs if name in {"href", "id", "class", "content", "rel"}]
        self.found.append((tag, [name for name, _ in attrs], active))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(("end", tag))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment",))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("declaration", decl))

    def unknown_decl(self, data: str) -> None:
        self.found.append(("unknown declaration",))


@pytest.mark.parametrize("status", ["no", "changes", "yes", "unknown"])
@pytest.mark.parametrize("evil", HOSTILE, ids=range(len(HOSTILE)))
def test_the_page_has_the_same_elements_whatever_the_texts_are(evil: str, status: str) -> None:
    document = page(matrix_with(evil, status))
    assert Elements(document).found == Elements(page(matrix_with("harmless", status))).found
    assert printable(document) == document
    document.encode("utf-8")


def tokens(document: str) -> Iterator[tuple[str, str]]:
    """The structure of Markdown with tables, as GitHub reads it."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])

    def walk(found: list[Token]) -> Iterator[tuple[str, str]]:
        for token in found:
            # The text itself may be in several pieces, one for each escape.
            if token.type not in {"text", "text_special", "inline"}:
                yield token.type, token.tag
            if token.type == "html_block":
                yield "content", token.content.partition(" ")[0]
            yield from walk(token.children or [])

    return walk(parser.parse(document))


def markdown_with(evil: str, status: str) -> str:
    """As far as a reader of shards accepts ``evil`` as a name, it is the names, too."""
    name = evil if evil.isprintable() else "harmless"
    return markdown(parsed(matrix_with(evil, status, name)))


@pytest.mark.parametrize("status", ["no", "changes", "yes", "unknown"])
@pytest.mark.parametrize("evil", HOSTILE, ids=range(len(HOSTILE)))
def test_the_markdown_has_the_same_elements_whatever_the_texts_are(evil: str, status: str) -> None:
    document = markdown_with(evil, status)
    assert list(tokens(document)) == list(tokens(markdown_with("harmless", status)))
    assert printable(document) == document
    for mention in ("@octocat", "#1", "https://evil", "www.evil"):
        assert mention not in document
    document.encode("utf-8")


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_no_text_changes_a_structure(evil: str) -> None:
    assert Elements(page(matrix_with(evil, "no"))).found == Elements(page(matrix_with("harmless", "no"))).found
    harmless = list(tokens(markdown_with("harmless", "no")))
    assert list(tokens(markdown_with(evil, "no"))) == harmless


@pytest.mark.parametrize("evil", HOSTILE, ids=range(len(HOSTILE)))
def test_a_message_is_one_line_of_the_report(evil: str) -> None:
    def lines(message: str) -> int:
        return len(text(parsed(matrix_with(message, "no", "harmless"))).splitlines())

    assert lines(evil) == lines("harmless")


@pytest.mark.parametrize("evil", [evil for evil in HOSTILE if not evil.isprintable()])
def test_a_shard_with_names_that_would_change_the_output_is_refused(evil: str) -> None:
    with pytest.raises(BadInput, match="characters that no name has"):
        parsed(matrix_with("harmless", "no", evil))


@pytest.mark.parametrize("missing", ["python", "variant"])
def test_a_shard_without_an_axis_that_each_matrix_has_is_refused(missing: str) -> None:
    found = matrix_with("harmless", "no")
    found["axes"] = [axis for axis in found["axes"] if axis["name"] != missing]
    with pytest.raises(BadInput, match="no axis of Pythons, or none of variants"):
        parsed(found)


@pytest.mark.parametrize(
    ("shown", "escaped"),
    [
        ("1. item", "1\\. item"),
        ("12)", "12\\)"),
        ("- item", "\\- item"),
        ("---", "\\---"),
        ("+ item", "\\+ item"),
        ("===", "\\==="),
        ("1.0", "1.0"),
        ("-", "-"),
        ("-> 1.0", "-> 1.0"),
        ("1.0 - 2.0", "1.0 - 2.0"),
    ],
)
def test_what_begins_a_block(shown: str, escaped: str) -> None:
    assert plain(shown) == escaped
