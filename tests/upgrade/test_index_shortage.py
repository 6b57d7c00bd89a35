"""`bump`, `outdated` and `compat` say what the index lacks as `resolve` does."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from support.index import LocalIndex
from support.project import Project

FAMILY = """\
[family]
name = "acme"
python = "3.11"

[variants.cpu]
from = "python:3.11-slim"

[pins]
numpy = "PIN"

[bases.base]
packages = ["numpy", "user"EXTRA]

[compat]
user = ["1.0"]
"""


class Case(NamedTuple):
    pin: str
    extra: str
    message: str
    hint: str
    in_matrix: str


CASES = {
    "misspelt": Case(
        "1.0", ', "usr"', "no such package: usr is not on the default index", "did you mean `user`?", "package: usr"
    ),
    "gone": Case("7.0", "", "there is no numpy 7.0; the newest is 1.0", "", "no numpy 7.0"),
    "no wheel": Case(
        "2.0", "", "numpy 2.0 has no wheel for Python 3.11", "newest version with one is 1.0", "no wheel of"
    ),
    "bound": Case(
        "1.0", ', "late>=9"', "no version of late is >=9; the newest is 1.0", "", "no version of late is >=9"
    ),
    "source": Case("1.0", ', "src"', "src 1.0 has no wheel for Python 3.11", 'build = ["src"]', "src has no wheel"),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, project: Project, index: LocalIndex) -> Case:
    for name in ("numpy", "user", "late"):
        index.add(name, "1.0")
    index.add("numpy", "2.0", tag="cp310-cp310-manylinux_2_17_x86_64")
    index.add("src", "1.0", source=True)
    found = CASES[request.param]
    project.write(FAMILY.replace("PIN", found.pin).replace("EXTRA", found.extra))
    return found


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("resolve",), 3),
        (("bump", "numpy"), 3),
        (("outdated",), 0),
        (("compat",), 0),
        (("compat", "--fail-on", "no"), 1),
    ],
    ids=str,
)
def test_what_the_index_lacks(project: Project, case: Case, command: tuple[str, ...], code: int) -> None:
    before = (project.root / "versions.toml").read_bytes()
    ran = project.run(*command)
    if command[0] == "compat" and case.pin != "1.0":
        # A free pin may change.
        assert ran.code == 0
        return
    assert ran.code == code, ran.err
    assert case.message in ran.err
    assert case.hint in ran.err
    assert "versions.toml:" in ran.err
    assert "conclude" not in ran.out + ran.err
    if command[0] == "compat":
        assert case.in_matrix in ran.out
    assert (project.root / "versions.toml").read_bytes() == before


def test_a_version_named_on_the_command_line(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.0")
    index.add("user", "1.0")
    project.write(FAMILY.replace("PIN", "1.0").replace("EXTRA", ""))
    ran = project.run("bump", "numpy==1.5")
    assert ran.code == 3
    assert "there is no numpy 1.5; the newest is 1.0" in ran.err
    assert "versions.toml, as it would be:9:1 (pins.numpy)" in ran.err


def test_a_bump_that_repairs_the_family(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.0")
    index.add("numpy", "2.0")
    index.add("user", "1.0")
    project.write(FAMILY.replace("PIN", "1.5").replace("EXTRA", ""))
    project.ok("bump", "numpy")
    assert 'numpy = "2.0"' in (project.root / "versions.toml").read_text()
