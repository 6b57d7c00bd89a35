"""What pip's messages mean, and which of their lines are for the user."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import dropwhile
from typing import NamedTuple
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from lockgen.index.wheel_ranking import identity

_NO_SOLUTION = re.compile(
    "ResolutionImpossible|No matching distribution|Could not find a version|UnsupportedPythonVersion"
)
_TOO_COMPLEX = re.compile("ResolutionTooDeep|No stable configuration of concrete packages|RecursionError")
_DISCARDED = re.compile(r"Discarding ([A-Za-z0-9][\w.-]*)==\S+ .*to proceed the resolution")
_NO_MATCH = re.compile(
    r"(?:No matching distribution found for|Could not find a version that (?:matches|satisfies)[^\n]*?)"
    r" ([A-Za-z0-9][\w.-]*)"
)
_PROGRESS = re.compile(
    r"^\s*(Using |Looking in|Collecting |Obtaining|Downloading |Discarding|WARNING: |INFO: |Requirement already"
    r"|Installing|To fix this|1\. loosen|2\. remove|.*pip is looking at|.*is still looking|Preparing metadata"
    r"|Building wheel|Getting|\[notice\]"
    # Advice about options that lockgen does not pass on, and about a report that is not part of the text.
    r"|(?:note|hint): (?:This error|This is an issue|See above)|.*(?:╰─>|See above for output)"
    r"|.*(?:--use-pep517|--no-build-isolation|--pre\b|--prefer-binary|--use-deprecated|--extra-index-url))"
)
# pip names the conflicting requirements only in its exception, as
# RequirementInformation(requirement=SpecifierRequirement('numpy>=2'), parent=LinkCandidate('https://…')).
_CAUSE = re.compile(
    r"RequirementInformation\(requirement=(?!RequiresPython)\w+\('([^']+)'\), parent=(?:None|\w+\('([^']*)'?)"
)
_PYTHON_BOUND = re.compile(r"RequiresPythonRequirement\('([^']+)'\), parent=\w+\('([^']*)'?")
_YANKED = re.compile(r"Ignored the following yanked versions: (.*)")
_OFFERED = re.compile(r"Could not find a version that satisfies .*\(from versions: (.*)\)")
_FILE_IN_LINK = re.compile(r"([^/ ]+\.(?:whl|tar\.gz|zip))(?: |$)")
_TRACEBACK = "Traceback (most recent call last):"


class Raised(NamedTuple):
    """An exception: the name of its class, and its text."""

    name: str
    message: str


class Cause(NamedTuple):
    """A requirement that takes part in a conflict. ``parent`` requires it: a package, or the family."""

    requirement: str
    parent: str


def is_no_solution(text: str) -> bool:
    """Whether pip found no solution."""
    return _NO_SOLUTION.search(text) is not None


def is_too_complex(text: str) -> bool:
    """Whether pip or pip-compile gave up before it knew whether there is a solution."""
    return _TOO_COMPLEX.search(text) is not None


def discarded_pins(text: str) -> set[str]:
    """The packages whose preferences pip-compile dropped before it failed."""
    return {str(canonicalize_name(name)) for name in _DISCARDED.findall(text)}


def raised_exception(text: str) -> Raised | None:
    """The exception that ended pip-compile; None if it ended otherwise."""
    _, found, last = text.rpartition(_TRACEBACK)
    if not found:
        return None
    lines = last.strip("\n").splitlines()
    # The frames of a traceback are indented.
    rest = list(dropwhile(lambda line: line.startswith(" "), lines))
    if not rest:
        return None
    path, _, message = "\n".join(rest).partition(":")
    name = path.rpartition(".")[2].strip()
    # pip prints some errors on screens only. As text, they have no more than a name: "<SomeError: some-error>".
    reference = re.fullmatch(rf"<{re.escape(name)}: ([a-z-]+)>", message.strip())
    return Raised(name, reference[1].replace("-", " ") if reference else message.strip())


def unmatched_packages(text: str) -> set[str]:
    """The packages for which pip found no version that it may use."""
    return {str(canonicalize_name(name)) for name in _NO_MATCH.findall(text)}


def causes(text: str) -> list[Cause]:
    """The requirements in conflict, as far as pip names them: it leaves out pins."""
    return list(_causes(text))


def _causes(text: str) -> Iterator[Cause]:
    for requirement, link in _CAUSE.findall(text):
        yield Cause(requirement, _parent(link))


def python_bounds(text: str) -> list[Cause]:
    """The Requires-Python of packages, as requirements, for which pip found no solution."""
    return [Cause(f"Python {bound}", _parent(link)) for bound, link in _PYTHON_BOUND.findall(text)]


def _parent(link: str) -> str:
    """The package and the version of the file that pip's text ``link`` names."""
    found = _FILE_IN_LINK.search(unquote(link))
    if found is None:
        return "the family"
    name, version = identity(found[1])
    return f"{name} {version}"


def notes(text: str) -> list[str]:
    """The versions that pip could not choose: yanked ones, and those that do not satisfy the requirement."""
    return list(dict.fromkeys(_notes(text)))


def _notes(text: str) -> Iterator[str]:
    for versions in _YANKED.findall(text):
        yield f"only a pin selects a yanked version: {versions}"
    for versions in _OFFERED.findall(text):
        yield f"versions with a file for the target: {versions}"


def readable_part(text: str) -> str:
    """``text`` without progress messages, and without the traceback of pip-compile itself.

    The traceback of a failed build stays: pip indents it, so it does not match.
    """
    before = re.split(rf"^{re.escape(_TRACEBACK)}", text, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.rstrip() for line in before.splitlines() if not _PROGRESS.match(line)]
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()
