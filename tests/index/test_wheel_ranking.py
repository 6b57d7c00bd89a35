"""The ranking of files: which run on the target, and which an installer prefers, criterion by criterion."""

from __future__ import annotations

import itertools

import pytest
from packaging.version import Version

from lockgen.core.index import IndexFile
from lockgen.core.target import Target
from lockgen.index.wheel_ranking import best_files, build_tag, identity, is_sdist, usable_files, wheel_rank

TARGET = Target("3.11", "linux/amd64", "2.35")


def file(name: str, yanked: str | None = None) -> IndexFile:
    return IndexFile(name, f"https://a.example/{name}", "0" * 64, yanked=yanked)


def ranked(*files: IndexFile, build: frozenset[str] = frozenset()) -> list[str]:
    """The names of the usable files, which are the same for each order of ``files``."""
    orders = {
        tuple(f.name for f in usable_files("pkg", order, TARGET, build)) for order in itertools.permutations(files)
    }
    assert len(orders) == 1
    return list(orders.pop())


@pytest.mark.parametrize(
    "name",
    [
        "pkg-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
        "pkg-1.0-cp311-cp311-manylinux_2_36_x86_64.whl",
        "pkg-1.0-cp311-cp311-musllinux_1_1_x86_64.whl",
        "pkg-1.0-cp311-cp311-manylinux_2_17_aarch64.whl",
        "pkg-1.0-cp311-cp311-win_amd64.whl",
        "pkg-1.0-py2-none-any.whl",
        "pkg-1.0.tar.gz",
        "pkg-1.0.whl",
        "pkg-1.0-py3-none-any.exe",
        f"pkg-1.0-{'9' * 5000}-py3-none-any.whl",
        "",
    ],
)
def test_files_that_do_not_run_on_the_target(name: str) -> None:
    assert wheel_rank(name, TARGET) is None
    assert usable_files("pkg", [file(name)], TARGET, frozenset()) == ()


def test_the_rank_of_a_wheel_is_that_of_its_best_tag() -> None:
    both = "pkg-1.0-py2.py3-none-any.whl"
    several = "pkg-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.linux_x86_64.whl"
    assert wheel_rank("pkg-1.0-cp311-cp311-manylinux_2_35_x86_64.whl", TARGET) == 0
    assert wheel_rank(both, TARGET) == wheel_rank("pkg-1.0-py3-none-any.whl", TARGET)
    assert wheel_rank(several, TARGET) == wheel_rank("pkg-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", TARGET)


def test_the_best_tag_comes_first() -> None:
    names = [
        "pkg-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "pkg-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "pkg-1.0-cp311-cp311-linux_x86_64.whl",
        "pkg-1.0-cp39-abi3-manylinux_2_17_x86_64.whl",
        "pkg-1.0-py3-none-any.whl",
    ]
    assert ranked(*map(file, names)) == names


def test_the_highest_build_tag_comes_first_as_a_number() -> None:
    names = [f"pkg-1.0-{build}py3-none-any.whl" for build in ("10a-", "10-", "9-", "2b-", "2a-", "1-", "0-", "")]
    assert ranked(*map(file, names[:5])) == names[:5]
    assert ranked(*map(file, names[3:])) == names[3:]


def test_a_better_tag_outweighs_a_build_tag() -> None:
    names = ["pkg-1.0-cp311-cp311-linux_x86_64.whl", "pkg-1.0-9-py3-none-any.whl"]
    assert ranked(*map(file, names)) == names


def test_the_name_decides_between_equals() -> None:
    names = ["PKG-1.0-py3-none-any.whl", "Pkg-1.0-py3-none-any.whl", "pkg-1.0-py3-none-any.whl"]
    assert ranked(*map(file, names)) == names


@pytest.mark.parametrize("reason", ["", "broken"])
def test_yanked_files_come_last(reason: str) -> None:
    best = "pkg-1.0-9-cp311-cp311-manylinux_2_28_x86_64.whl"
    worst = "pkg-1.0-py3-none-any.whl"
    assert ranked(file(best, yanked=reason), file(worst)) == [worst, best]
    assert ranked(file(best, yanked=reason), file(worst, yanked="x")) == [best, worst]


def test_sources_of_packages_that_the_family_builds() -> None:
    build = frozenset({"pkg"})
    wheel = file("pkg-1.0-py3-none-any.whl")
    sources = [file("pkg-1.0.zip"), file("pkg-1.0.tar.gz"), file("pkg-0.9.tar.gz", yanked="")]
    assert ranked(wheel, *sources, build=build) == ["pkg-1.0.tar.gz", "pkg-1.0.zip", "pkg-0.9.tar.gz"]
    assert ranked(wheel, *sources, build=frozenset({"other"})) == [wheel.name]


def test_the_best_file_of_each_version() -> None:
    names = ["pkg-1.0-py3-none-any.whl", "pkg-1.0.0-py2.py3-none-any.whl", "pkg-2.0-py3-none-any.whl", "pkg-1.0.tar.gz"]
    assert [f.name for f in best_files(map(file, names))] == [names[0], names[2]]


def test_what_a_name_says() -> None:
    assert identity("My.Pkg-1.0-2-py3-none-any.whl") == ("my-pkg", Version("1.0"))
    assert identity("My.Pkg-1.0.tar.gz") == ("my-pkg", Version("1.0"))
    assert build_tag("pkg-1.0-py3-none-any.whl") == (-1, "")
    assert build_tag("pkg-1.0-0-py3-none-any.whl") == (0, "")
    assert build_tag("pkg-1.0-12b-py3-none-any.whl") == (12, "b")
    assert is_sdist("pkg-1.0.tar.gz")
    assert is_sdist("pkg-1.0.zip")
    assert is_sdist("pkg-1.0-py3-none-any.whl") is False
    assert is_sdist("pkg.tar.gz") is False
