"""Text that makes the parsers of Python and packaging fail in undocumented ways."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename
from packaging.version import InvalidVersion, Version

from lockgen.core import documents, parsing

DIGITS = "1" * 5000
MANY = 5000


@pytest.mark.parametrize("text", [DIGITS, f"1.{DIGITS}", f"1!{DIGITS}.0", f"1.0.post{DIGITS}", f"1+{DIGITS}", "x", ""])
def test_a_version_that_is_none(text: str) -> None:
    with pytest.raises(InvalidVersion) as caught:
        parsing.parse_version(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", [f"=={DIGITS}", f">=1,<{DIGITS}.0", "~=1", ">>1"])
def test_specifiers_that_are_none(text: str) -> None:
    with pytest.raises(InvalidSpecifier):
        parsing.parse_specifiers(text)


@pytest.mark.parametrize(
    "text",
    [
        f"a=={DIGITS}",
        f"a[{'b,' * 20_000}c]",
        f"a; {'(' * 3000}python_version == '3.11'{')' * 3000}",
        f"a; {'(' * 60}python_version == '3.11'{')' * 60}",
        "a; " + " and ".join(["python_version == '3.11'"] * 20_000),
        "a==",
        "",
    ],
)
def test_a_requirement_that_is_none(text: str) -> None:
    with pytest.raises(InvalidRequirement) as caught:
        parsing.parse_requirement(text)
    assert len(str(caught.value)) < 400


def test_a_marker_with_many_brackets_that_are_not_inside_each_other() -> None:
    text = "a; " + " or ".join(["(python_version == '3.11')"] * 100)
    assert parsing.parse_requirement(text) == Requirement(text)


def test_file_names_with_many_digits() -> None:
    with pytest.raises(InvalidWheelFilename):
        parsing.parse_wheel_filename(f"torch-{DIGITS}-py3-none-any.whl")
    with pytest.raises(InvalidWheelFilename):
        parsing.parse_wheel_filename(f"torch-1.0-{DIGITS}-py3-none-any.whl")
    with pytest.raises(InvalidSdistFilename):
        parsing.parse_sdist_filename(f"torch-{DIGITS}.tar.gz")


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "{", "", DIGITS * 2, b"\xff", "nul"])
def test_json_that_is_none(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the documented error
        documents.parse_json(text)


@pytest.mark.parametrize("text", [f"a = {DIGITS}", f"a = {'[' * MANY}{']' * MANY}", f"a = {'{b=' * MANY}1{'}' * MANY}"])
def test_toml_beyond_the_limits_of_python(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested too deep|Exceeds the limit"):
        documents.parse_toml(text)


def at_depth(frames: int, text: str) -> Requirement:
    return parsing.parse_requirement(text) if frames == 0 else at_depth(frames - 1, text)


def test_the_deepest_marker_parses_where_lockgen_is_deep_in_calls_already() -> None:
    text = f"a; {'(' * 50}python_version == '3.11'{')' * 50}"
    requirement = at_depth(sys.getrecursionlimit() // 3, text)
    assert requirement.marker is not None
    assert requirement.marker.evaluate({"python_version": "3.11"})


@given(st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,14}){0,3}(rc[0-9]{1,3})?", fullmatch=True))
def test_versions_that_exist_are_those_of_packaging(text: str) -> None:
    assert parsing.parse_version(text) == Version(text)
