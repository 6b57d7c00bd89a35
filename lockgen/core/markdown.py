"""Markdown for pull requests, for locks/COMPAT.md and on stdout.

Names, versions, URLs and explanations come from indexes and packages. They are escaped, so that none of them becomes a
mention, a link, an image or a command to the forge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from lockgen.core.printable import one_line, printable

LINES_SHOWN = 30
"""How many lines of an explanation a pull request shows."""

_CUT_NOTE = 100
"""An upper bound for the length of the line that says how much was cut, including a fence before it."""

_URL_LENGTH = 500

_SPECIAL = re.compile(r"([\\`*_\[\]<#|~@&]|(?<!-)>)")
# At the start of a line these begin a list, or make a heading of the line above. Only digits stand before "." and ")".
_BLOCK = re.compile(r"^([0-9]{1,9})?([-+=](?=[\s=-])|(?<=[0-9])[.)](?=\s|$))")
# An arrow, as in "1.0 -> 1.1", is not markup: only ">" at the start of a line is.
_AUTOLINK = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=\bwww)\.")
_FENCE = re.compile(r"`{3,}")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/%?=&+,;:@!$-]*)?")

# As an entity: the character itself is invisible, so that nothing from outside may contain it.
_ZERO_WIDTH_SPACE = "&#8203;"


def plain(text: str) -> str:
    """``text`` on one line without any markup: no Markdown, no mention, no border of a table."""
    escaped = _SPECIAL.sub(r"\\\1", one_line(text))
    escaped = _BLOCK.sub(r"\1\\\2", escaped)
    # GitHub ignores a backslash before @name and #1; only a zero-width space prevents the link.
    for sign in "@#":
        escaped = escaped.replace(f"\\{sign}", f"{sign}{_ZERO_WIDTH_SPACE}")
    return _AUTOLINK.sub(lambda found: f"{found[0]}{_ZERO_WIDTH_SPACE}", escaped)


def is_address(url: str) -> bool:
    """Whether ``url`` is a web address that Markdown can contain without escaping."""
    if len(url) > _URL_LENGTH or not _URL.fullmatch(url):
        return False
    try:
        return urlsplit(url).username is None
    except ValueError:
        return False


def section(name: str, lines: Sequence[str]) -> str:
    """A section with a heading; "" without lines."""
    if not lines:
        return ""
    return "\n".join([f"### {name}", "", *lines])


def table_row(cells: Iterable[str]) -> str:
    """A row of a table. The cells must be escaped."""
    return f"| {' | '.join(cells)} |"


def explanation(text: str) -> list[str]:
    """``text`` as a code block, cut to its first lines if it is long."""
    lines = printable(text).strip("\n").splitlines()
    shown = lines[:LINES_SHOWN]
    if len(lines) > LINES_SHOWN:
        shown.append(more_lines(len(lines) - LINES_SHOWN))
    return code_block("text", shown)


def code_block(language: str, lines: Sequence[str]) -> list[str]:
    """A code block. Its fence is longer than every run of backticks in ``lines``, so that none of them ends it."""
    longest = 0
    for line in lines:
        for run in re.findall(r"`+", line):
            longest = max(longest, len(run))
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


def more_lines(count: int) -> str:
    """The line that says how many lines were cut."""
    return f"… and {count} more line{'s' if count > 1 else ''}"


def shortened(blocks: Sequence[str], budget: int) -> list[str]:
    """The blocks, the longest of them cut to one common length, so that together they fit into ``budget`` characters.

    A short block is never cut because another one is long.
    """
    # Blocks are joined by an empty line.
    left = budget - 2 * len(blocks)
    lengths = sorted(len(block) for block in blocks)
    share = lengths[-1] if lengths else 0
    for position, length in enumerate(lengths):
        rest = len(blocks) - position
        if length * rest > left:
            share = max(left, 0) // rest
            break
        left -= length
    return [block if len(block) <= share else _cut(block, share) for block in blocks]


def _cut(block: str, length: int) -> str:
    """The first lines of ``block``, at least its heading, and how many lines were cut."""
    lines = block.split("\n")
    kept = 1
    used = len(lines[0])
    # A code block that is cut while it is open would swallow the rest of the text, so its fence is closed.
    fence = ""
    while used + 1 + len(lines[kept]) <= length - _CUT_NOTE - len(fence):
        line = lines[kept]
        if line == fence:
            fence = ""
        elif not fence:
            opened = _FENCE.match(line)
            fence = opened[0] if opened is not None else ""
        used += 1 + len(line)
        kept += 1
    shown = lines[:kept]
    if fence:
        shown.append(fence)
    more = more_lines(len(lines) - kept)
    return "\n".join([*shown, "", f"{more} of this section, which is too long."])
