"""Parsing names, versions and requirements from outside. The one place that calls packaging's parsers.

On hostile text, they raise other errors than they document: ValueError for a number with
more digits than int() accepts, RecursionError for brackets inside brackets. Here both are the documented error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import BuildTag, InvalidSdistFilename, InvalidWheelFilename, NormalizedName
from packaging.utils import parse_sdist_filename as _parse_sdist_filename
from packaging.utils import parse_wheel_filename as _parse_wheel_filename
from packaging.version import InvalidVersion, Version

_Parsed = TypeVar("_Parsed", Requirement, SpecifierSet)

# Versions that exist have at most 14 digits in a row (a date and a time). int() refuses 4,301.
_MANY_DIGITS = re.compile(r"[0-9]{100}")
_DEEPEST = 50
"""The deepest nesting of brackets in a marker. packaging needs several stack frames for each."""
_LONGEST = 20_000
"""The most characters of a requirement. The longest known ones have 2,000, with a list of platforms in the marker."""

# Metadata from before PEP 440 has bounds that it does not allow. uv repairs these, in this order, and so does lockgen:
# otherwise a lock would have other bounds than the resolver used.
_REPAIRS = (
    # >=7.2<8
    (re.compile(r"(\d)([<>=~^!])"), r"\1,\2"),
    # !=~5.0
    (re.compile(r"!=~((?:\d\.)*\d)"), r"!=\1.*"),
    # >=1.9.*
    (re.compile(r"(<=|>=|<|>)(\d+(?:\.\d+)*)\.\*"), r"\1\2"),
    # !=3.0*
    (re.compile(r"(\d\.\d)+\*"), r"\1.*"),
    # >=3.6,
    (re.compile(r",\s*$"), ""),
    # >dev
    (re.compile(r">dev"), ">0.0.0dev"),
    # >=9.0.0a1.0
    (re.compile(r"(\d+(?:\.\d)*(?:a|b|rc|post|dev)\d+)\.0"), r"\1"),
)


def parse_version(text: str) -> Version:
    """The version that ``text`` is (PEP 440).

    Raises:
        InvalidVersion: it is none, or has a number of 100 digits or more.
    """
    if _MANY_DIGITS.search(text):
        raise InvalidVersion(f"{_shortened(text)} contains a number with more than 99 digits")
    return Version(text)


def parse_specifiers(text: str) -> SpecifierSet:
    """The specifiers in ``text`` (PEP 440), such as ">=1,<2".

    Raises:
        InvalidSpecifier: one is invalid, or has a number of 100 digits or more.
    """
    if _MANY_DIGITS.search(text):
        raise InvalidSpecifier(f"{_shortened(text)} contains a number with more than 99 digits")
    return SpecifierSet(text)


def parse_requirement(text: str) -> Requirement:
    """The requirement that ``text`` is (PEP 508).

    Raises:
        InvalidRequirement: it is none, is too long, has too many brackets inside brackets, or a number of 100 digits.
    """
    if len(text) > _LONGEST:
        raise InvalidRequirement(f"{_shortened(text)} has {len(text)} characters, at most {_LONGEST} are allowed")
    if _MANY_DIGITS.search(text):
        raise InvalidRequirement(f"{_shortened(text)} contains a number with more than 99 digits")
    if text.count("(") > _DEEPEST and _depth(text) > _DEEPEST:
        raise InvalidRequirement(f"{_shortened(text)} nests more than {_DEEPEST} brackets")
    return Requirement(text)


def _leniently(parse: Callable[[str], _Parsed], text: str) -> _Parsed:
    """The result of ``parse`` for ``text``, else for the first repair that helps; else the error about ``text``."""
    try:
        return parse(text)
    except (InvalidRequirement, InvalidSpecifier):
        for repaired in _repaired(text):
            with suppress(InvalidRequirement, InvalidSpecifier):
                return parse(repaired)
        raise


def parse_lenient_requirement(text: str) -> Requirement:
    """The requirement in ``text``, with the same repairs of old metadata as uv (`_REPAIRS`).

    Raises:
        InvalidRequirement: it has no repair that helps.
    """
    return _leniently(parse_requirement, text)


def parse_lenient_specifiers(text: str) -> SpecifierSet:
    """The specifiers in ``text``, with the same repairs of old metadata as uv (`_REPAIRS`).

    Raises:
        InvalidSpecifier: it has no repair that helps.
    """
    return _leniently(parse_specifiers, text)


def _repaired(text: str) -> Iterator[str]:
    """``text`` after each repair that changes it. Repairs add up, in the order of `_REPAIRS`."""
    if len(text) > _LONGEST:
        return
    for pattern, replacement in _REPAIRS:
        changed = pattern.sub(replacement, text)
        if changed != text:
            text = changed
            yield text
    # A marker needs its quotes.
    bounds, semicolon, marker = text.partition(";")
    unquoted = re.sub("['\"]", "", bounds)
    if unquoted != bounds:
        yield unquoted + semicolon + marker


def parse_wheel_filename(name: str) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    """The parts of a wheel's file name, as packaging.utils.parse_wheel_filename.

    Raises:
        InvalidWheelFilename: it is not a wheel's, or a number has too many digits.
    """
    if _MANY_DIGITS.search(name):
        raise InvalidWheelFilename(f"{_shortened(name)} contains a number with more than 99 digits")
    return _parse_wheel_filename(name)


def parse_sdist_filename(name: str) -> tuple[NormalizedName, Version]:
    """The parts of a source distribution's file name, as packaging.utils.parse_sdist_filename.

    Raises:
        InvalidSdistFilename: it is not a source distribution's, or a number has too many digits.
    """
    if _MANY_DIGITS.search(name):
        raise InvalidSdistFilename(f"{_shortened(name)} contains a number with more than 99 digits")
    return _parse_sdist_filename(name)


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in text:
        if character == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif character == ")":
            depth -= 1
    return deepest


def _shortened(text: str) -> str:
    return f"{text[:60]}..." if len(text) > 60 else text
