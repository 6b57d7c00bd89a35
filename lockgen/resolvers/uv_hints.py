"""uv's hints in terms of lockgen: uv names options and tables that lockgen does not have.

Every hint is one entry of `_RULES`; a hint without an entry is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_HINT = re.compile(r"\s*hint: ")
# A hint that ends with "under:" shows a table of pyproject.toml next, and then a last sentence.
_SHOWS_TABLE = re.compile(r"under:\s*$")
_AFTER_TABLE = re.compile(r"\s*or `")


class _Rule(NamedTuple):
    """``pattern`` finds a hint on one line; ``words`` are lockgen's, with the groups of the pattern."""

    pattern: re.Pattern[str]
    words: str


def _rule(pattern: str, words: str) -> _Rule:
    return _Rule(re.compile(pattern), words)


_RULES = (
    _rule(
        r"Metadata for `([^`]+)` \(v?([^)]+)\) could not be parsed: (.*?)[\s^]*$",
        "the metadata of {0} {1} is invalid ({2}): choose another version of {0}, or list your own build of it on an"
        " index: [index.NAME]",
    ),
    _rule(
        r"`([^`]+)` was filtered by `exclude-newer`",
        "exclude-newer leaves out every fitting file of {0}: choose an older version, or move [family] exclude-newer",
    ),
    _rule(
        r"[Pp]re-releases are available for `([^`]+)` in the requested range \(e\.g\., ([^)]+)\)",
        'pre-releases count only if they are named: [pins] {0} = "{1}"',
    ),
    _rule(
        r"`([^`]+)` was requested with a pre-release marker|Only pre-releases of `([^`]+)` .* match these build",
        "the build requires a pre-release of {0}, which builds never take: choose another version of what is built",
    ),
    _rule(
        r"`([^`]+)` was found on .*, but not at the requested version \(([^)]+)\)",
        "each package comes from one index only: choose a version of {0} that its index has, or take {0} out of the"
        " `packages` of that index",
    ),
    _rule(
        r"(?:`([^`]+)`|a package) depends on `(?:pkg_resources|setuptools)(?:\.[\w.]+)?`, but doesn't declare it",
        "setuptools 82 and later have no pkg_resources. A pin of setuptools applies to builds too:"
        ' [pins] setuptools = "80.9.0"',
    ),
    _rule(
        r"(`[^`]+`|a package) depends on `([^`]+)`, but doesn't declare it",
        "{0} imports `{1}` in its build and does not declare it: choose a version with a wheel, or build one yourself"
        " and list the package on an index of your own: [index.NAME]",
    ),
    _rule(
        r"`([^`]+)` was removed from the standard library in Python ([\d.]+?)\. .*version of `([^`]+)`",
        "{2} needs `{0}`, which Python {1} removed: choose a newer version of {2}, or an older [family] python",
    ),
    _rule(
        r"install (?:the|a) library that provides (?:a shared library for )?`([^`]+)` for `([^`]+)`"
        r"(?: \(e\.g\., `(?:apt(?:-get)? install )?([^`]+)`\))?",
        "the build of {1} needs {0}: install its development package on this machine, and name it in `build-apt` of"
        " the image",
    ),
    _rule(
        r"An index (?:URL )?\((\S+)\) (?:could not be queried|returned an? (?!successful))",
        "index {0} refused a request: check its URL and credentials",
    ),
    _rule(
        r"You require ([^,]+?) ?, but we only found wheels for `([^`]+)` \(v?([^)]+)\) with the following"
        r" Python [^:]*: (.*)$",
        "the wheels of {1} {2} are for {3}, not for {0}",
    ),
    _rule(
        r"Wheels are available for `([^`]+)` \(v?([^)]+)\) on the following platforms?: (.*)$",
        "the wheels of {0} {1} are for other platforms: {2}",
    ),
)


class Advice(NamedTuple):
    """A message of uv without its hints, and those hints in lockgen's words."""

    text: str
    hints: tuple[str, ...]


def without_hints(text: str) -> Advice:
    """Separate ``text`` from the hints in it, which end each with a blank line."""
    kept: list[str] = []
    hints: list[str] = []
    for paragraph in _paragraphs(text):
        lines = paragraph.splitlines()
        start = next((number for number, line in enumerate(lines) if _HINT.match(line)), None)
        if start is None:
            kept.append(paragraph)
            continue
        before = "\n".join(lines[:start])
        if before:
            kept.append(before)
        hints += _translated("\n".join(lines[start:]))
    return Advice("\n\n".join(kept), tuple(dict.fromkeys(hints)))


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of ``text``; a hint with a table of pyproject.toml is one."""
    pending: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text):
        pending.append(paragraph)
        is_hint = _HINT.search(pending[0]) is not None
        if is_hint and _SHOWS_TABLE.search(pending[0]) and not _AFTER_TABLE.match(paragraph):
            continue
        yield "\n\n".join(pending)
        pending = []
    if pending:
        yield "\n\n".join(pending)


def _translated(paragraph: str) -> Iterator[str]:
    """lockgen's words for each hint of ``paragraph`` that has any."""
    for hint in re.split(r"(?m)^\s*hint: ", paragraph):
        line = " ".join(hint.split())
        for rule in _RULES:
            found = rule.pattern.search(line)
            if found is not None:
                # A pattern with alternatives has groups that did not take part.
                groups = [group for group in found.groups() if group is not None]
                yield rule.words.format(*groups)
                break
