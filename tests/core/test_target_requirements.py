"""Markers on the patch release of Python: exact for an open patch release and for a named one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from lockgen.core.target import LAST_PATCH, Target
from lockgen.core.target_requirements import decided

OPEN = Target.of_release("3.11", "linux/amd64", "2.35")
NAMED = Target.of_release("3.11.9", "linux/amd64", "2.35")

TRUE_SOMEWHERE = [
    'python_full_version < "3.11.3"',
    'python_full_version >= "3.11.4"',
    'python_full_version == "3.11.7"',
    'python_full_version != "3.11.7"',
    'python_full_version == "3.11.*"',
    'python_full_version ~= "3.11.4"',
    '"3.11.4" <= python_full_version',
    '"3.11.3" > python_full_version',
    'implementation_version >= "3.11.4"',
    'python_full_version in "3.11.10 3.11.12"',
    'python_full_version not in "3.11.4 3.11.5"',
    'python_full_version > "3.11.3" and python_full_version < "3.11.5"',
    'python_full_version < "3.11.1" or python_version < "3"',
    'python_full_version <= "3.11.4" and sys_platform == "linux"',
    'python_full_version > "3.11.98"',
]
TRUE_NOWHERE = [
    'python_full_version < "3.11"',
    'python_full_version < "3.11.0"',
    'python_full_version < "3.11.0rc1"',
    'python_full_version >= "3.12.0a1"',
    'python_full_version ~= "3.10.4"',
    'python_full_version == "3.12.*"',
    'python_full_version > "3.11.4" and python_full_version < "3.11.5"',
    'python_full_version < "3.11.3" and implementation_version >= "3.11.4"',
    'python_full_version <= "3.11.4" and sys_platform == "win32"',
    'python_version >= "3.11.4"',
]


@pytest.mark.parametrize("marker", TRUE_SOMEWHERE)
def test_a_marker_that_some_patch_release_satisfies_is_true(marker: str) -> None:
    assert OPEN.holds(Marker(marker))
    assert list(decided([f"helper>=1 ; {marker}"], OPEN)) == ["helper>=1"]


@pytest.mark.parametrize("marker", TRUE_NOWHERE)
def test_a_marker_that_no_patch_release_satisfies_is_false(marker: str) -> None:
    assert not OPEN.holds(Marker(marker))


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ('python_full_version < "3.11.3"', False),
        ('python_full_version >= "3.11.4"', True),
        ('python_full_version == "3.11.9"', True),
        ('implementation_version == "3.11.9"', True),
        ('"3.11.9" > python_full_version', False),
        ('python_version == "3.11"', True),
    ],
)
def test_a_named_patch_release_decides(marker: str, expected: bool) -> None:
    assert NAMED.holds(Marker(marker)) is expected


def test_what_depends_on_an_extra_stays_for_this_extra() -> None:
    lines = [
        'one ; python_full_version < "3.11.3" and extra == "x"',
        'two[y]>=1 ; extra == "x" and (python_full_version < "3.11" or extra == "z")',
        'three ; python_full_version >= "3.11.4" or extra == "x"',
        'four ; python_version >= "3.8" and extra == "x"',
        "five",
        'six @ https://index.example/six.whl ; python_full_version >= "3.11.4"',
        'seven ; "x" == extra and python_full_version in "3.11.4"',
    ]
    assert list(decided(lines, OPEN)) == [
        'one ; extra == "x"',
        "three",
        lines[3],
        "five",
        "six @ https://index.example/six.whl",
        'seven ; extra == "x"',
    ]


versions = st.builds(
    lambda minor, patch, suffix: f"3.{minor}.{patch}{suffix}",
    st.sampled_from([10, 11, 12]),
    st.integers(0, LAST_PATCH + 1),
    st.sampled_from(["", "", "rc1", ".1", ".post1", ".0"]),
)
comparisons = st.builds(
    lambda left, operator, version: f'{left} {operator} "{version}"',
    st.sampled_from(["python_full_version", "implementation_version"]),
    st.sampled_from(["<", "<=", "==", "!=", ">=", ">", "~=", "in", "not in"]),
    versions,
)
reversed_comparisons = st.builds(
    lambda version, operator: f'"{version}" {operator} python_full_version',
    versions,
    st.sampled_from(["<", "<=", "==", "!=", ">=", ">"]),
)
markers = st.recursive(
    comparisons | reversed_comparisons,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=4,
)


@given(markers)
def test_representatives_decide_as_all_target_requirements_do(text: str) -> None:
    marker = Marker(text)
    every = any(marker.evaluate(OPEN.environment_of(patch)) for patch in range(LAST_PATCH + 1))
    assert OPEN.holds(marker) is every


@given(st.lists(st.tuples(st.sampled_from(["<", "<=", "==", "!=", ">=", ">", "~="]), versions), max_size=4))
def test_representatives_admit_as_all_target_requirements_do(bounds: list[tuple[str, str]]) -> None:
    text = ",".join(operator + version for operator, version in bounds)
    targets = [Target("3.11", "linux/amd64", "2.35", patch) for patch in range(LAST_PATCH + 1)]
    assert OPEN.admits(text) is any(target.admits(text) for target in targets)


@pytest.mark.parametrize(
    ("bound", "open_release", "named_release"),
    [
        (">=3.11.4", True, True),
        (">=3.11.10", True, False),
        ("<3.11.4", True, False),
        (">=3.11.4,<3.11.4", False, False),
        (">=3.12", False, False),
        ("<3.11", False, False),
        ("!=3.11.9", True, False),
        ("==3.11.*", True, True),
        (">=3.11.*", True, True),
        (">=3.8,", True, True),
        ("nonsense", True, True),
        (None, True, True),
    ],
)
def test_requires_python(bound: str | None, open_release: bool, named_release: bool) -> None:
    assert (OPEN.admits(bound), NAMED.admits(bound)) == (open_release, named_release)


def test_a_patch_release_does_not_change_tags() -> None:
    assert NAMED.ranks == OPEN.ranks
    assert (NAMED.python, NAMED.version, NAMED.release) == ("3.11", (3, 11), "3.11.9")
