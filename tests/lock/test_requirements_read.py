"""Requirements of packages are read alike by both resolvers, and as the images need them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from support.families import one_stage_family
from support.index import LocalIndex, serving
from support.project import Project

RESOLVERS = ("uv", "pip-compile")
FAMILY = one_stage_family("pkg")
BOTH_RESOLVERS = pytest.mark.parametrize("resolver", RESOLVERS)


def named(patch: int) -> str:
    """The family with a patch release of Python."""
    text = FAMILY.replace('python = "3.11"', f'python = "3.11.{patch}"')
    return text.replace("python:3.11-slim", f"python:3.11.{patch}-slim")


def requiring(requirements: Iterable[str]) -> str:
    """The family with other requirements."""
    return FAMILY.replace('["pkg"]', json.dumps(list(requirements)))


def locked(project: Project) -> dict[str, str]:
    """The versions of the locked packages, without pkg."""
    packages = json.loads((project.root / "locks/lock.json").read_text())["packages"]
    return {package["name"]: package["version"] for package in packages if package["name"] != "pkg"}


def resolved(project: Project, resolver: str, text: str = FAMILY) -> dict[str, str]:
    project.write(text)
    project.ok("resolve", "--resolver", resolver)
    project.ok("check")
    return locked(project)


# -- patch releases of Python ------------------------------------------------------------------


MARKERS = (
    'python_full_version < "3.11.3"',
    'python_full_version >= "3.11.4"',
    'python_full_version == "3.11.5"',
    'implementation_version >= "3.11.14"',
    '"3.11.3" > python_full_version',
    'python_full_version ~= "3.11.12"',
    'python_full_version == "3.11.*"',
    'python_full_version in "3.11.5 3.11.6"',
)


@BOTH_RESOLVERS
def test_a_need_of_some_patch_release_is_locked(project: Project, index: LocalIndex, resolver: str) -> None:
    """One package for each marker, as the packages of a family may differ."""
    names = [f"pkg{number}" for number in range(len(MARKERS))]
    for name, marker in zip(names, MARKERS, strict=True):
        index.add(f"helper-of-{name}", "1.0")
        index.add(name, "1.0", [f"helper-of-{name}; {marker}", 'never; python_full_version < "3.11"'])
    expected = {*names, *(f"helper-of-{name}" for name in names)}
    assert resolved(project, resolver, requiring(names)).keys() == expected


@BOTH_RESOLVERS
def test_needs_of_different_target_requirements_are_locked_together(
    project: Project, index: LocalIndex, resolver: str
) -> None:
    """`deep` is found only through a need that the resolver itself does not see."""
    for name in ("early", "late", "deep", "deeper", "never"):
        index.add(name, "1.0")
    index.add("early", "2.0", ['deep; python_full_version < "3.11.2"'])
    index.add("deep", "2.0", ['deeper; python_full_version > "3.11.20"', 'never; python_full_version < "3.11"'])
    index.add("pkg", "1.0", ['early; python_full_version < "3.11.3"', 'late; python_full_version >= "3.11.4"'])
    assert resolved(project, resolver) == {"early": "2.0", "late": "1.0", "deep": "2.0", "deeper": "1.0"}


@BOTH_RESOLVERS
def test_a_need_of_some_patch_release_moves_versions(project: Project, index: LocalIndex, resolver: str) -> None:
    """pkg 2.0 cannot be installed with the bound that holds before 3.11.3, so an older one is taken."""
    for version in ("1.0", "2.0"):
        index.add("helper", version)
    index.add("other", "1.0", ["helper>=2"])
    index.add("pkg", "2.0", ['helper<2; python_full_version < "3.11.3"', "other"])
    index.add("pkg", "1.5", ['helper<2; python_full_version >= "3.11.3"', "other"])
    index.add("pkg", "1.0", ['helper>=2; python_full_version < "3.11.3"', "other"])
    assert resolved(project, resolver) == {"helper": "2.0", "other": "1.0"}


@BOTH_RESOLVERS
def test_needs_that_exclude_each_other_are_no_solution(project: Project, index: LocalIndex, resolver: str) -> None:
    for version in ("1.0", "2.0"):
        index.add("helper", version)
    index.add("pkg", "1.0", ['helper<2; python_full_version < "3.11.3"', 'helper>=2; python_full_version >= "3.11.3"'])
    project.write(FAMILY)
    ran = project.run("resolve", "--resolver", resolver)
    assert ran.code == 3
    assert "helper" in ran.err
    assert "3.11.99" not in ran.err
    project.write(named(9))
    project.ok("resolve", "--resolver", resolver)
    assert locked(project) == {"helper": "2.0"}


@BOTH_RESOLVERS
@pytest.mark.parametrize(("patch", "expected"), [(2, "early"), (9, "late")])
def test_a_named_patch_release_decides(
    project: Project, index: LocalIndex, resolver: str, patch: int, expected: str
) -> None:
    index.add("early", "1.0")
    index.add("late", "1.0")
    index.add("pkg", "1.0", ['early; python_full_version < "3.11.3"', 'late; python_full_version >= "3.11.4"'])
    assert resolved(project, resolver, named(patch)) == {expected: "1.0"}
    target = json.loads((project.root / "locks/lock.json").read_text())["target"]
    assert target["python"] == f"3.11.{patch}"
    dockerfile = (project.root / "docker/base/Dockerfile").read_text()
    assert "command -v python3.11 " in dockerfile
    assert f"python3.11.{patch}" not in dockerfile


@BOTH_RESOLVERS
def test_an_extra_with_a_patch_release(project: Project, index: LocalIndex, resolver: str) -> None:
    for name in ("both", "other"):
        index.add(name, "1.0")
    lines = [
        'both; extra == "x" and python_full_version < "3.11.3"',
        'other; extra == "y" and python_full_version < "3.11.3"',
    ]
    index.add("pkg", "1.0", lines, extras=["x", "y"])
    assert resolved(project, resolver, FAMILY.replace('"pkg"', '"pkg[x]"')) == {"both": "1.0"}


@BOTH_RESOLVERS
def test_a_requirement_of_versions_toml_with_a_patch_release(
    project: Project, index: LocalIndex, resolver: str
) -> None:
    for name in ("pkg", "early", "never"):
        index.add(name, "1.0")
    requirements = """["pkg", "early; python_full_version < '3.11.3'", "never; python_full_version < '3.11'"]"""
    assert resolved(project, resolver, FAMILY.replace('["pkg"]', requirements)) == {"early": "1.0"}


@BOTH_RESOLVERS
def test_requires_python_names_a_patch_release(project: Project, index: LocalIndex, resolver: str) -> None:
    index.add("helper", "1.0")
    index.add("helper", "2.0", python=">=3.11.4")
    index.add("helper", "3.0", python=">=3.11.15")
    index.add("helper", "4.0", python="<3.11.2")
    index.add("helper", "5.0", python=">=3.12")
    index.add("helper", "6.0", python=">=3.11.5,<3.11.5")
    index.add("pkg", "1.0", ["helper"])
    assert resolved(project, resolver) == {"helper": "4.0"}
    assert resolved(project, resolver, named(9)) == {"helper": "2.0"}
    assert resolved(project, resolver, named(1)) == {"helper": "4.0"}


@BOTH_RESOLVERS
def test_an_explicit_index_with_target_requirements(project: Project, index: LocalIndex, resolver: str) -> None:
    for name in ("early", "late"):
        index.add(name, "1.0")
    with serving(LocalIndex()) as other:
        lines = ['early; python_full_version < "3.11.3"', 'late; python_full_version >= "3.11.14"']
        other.add("pkg", "1.0", lines, python=">=3.11.12")
        text = FAMILY.replace("[variants.cpu]", f'[index.own]\nurl = "{other.url}"\npackages = ["pkg"]\n[variants.cpu]')
        text = text.replace('slim"\n', 'slim"\nindex = "own"\n', 1)
        assert resolved(project, resolver, text) == {"early": "1.0", "late": "1.0"}


def test_explain_counts_needs_of_every_patch_release(project: Project, index: LocalIndex) -> None:
    for version in ("1.0", "2.0"):
        index.add("helper", version)
    index.add("pkg", "1.0", ['helper<2; python_full_version < "3.11.3"'])
    project.write(FAMILY + '[pins]\nhelper = "2.0"\npkg = "1.0"\n')
    ran = project.run("explain")
    assert ran.code == 3
    assert "pkg 1.0 (required by api) requires helper<2" in ran.out


# -- old specifiers ----------------------------------------------------------------------------


OLD_SPECIFIERS = (
    ("helper (>=5.1.*)", "6.0"),
    ("helper (<=5.1.*)", "5.1"),
    ("helper (<5.1.*,>=1.*)", "5.0"),
    ("helper (!=6.*)", "5.1"),
    ("helper !=6.0*", "5.1"),
    ("helper (!=~6.0)", "5.1"),
    ("helper>1.0<6", "5.1"),
    ("helper (>1.0)", "6.0"),
    ("helper <6,", "5.1"),
    ('helper "<5.1"', "5.0"),
    ("helper <6'; python_version >= '3'", "5.1"),
    ("helper (<6.*) ; python_version >= '3'", "5.1"),
    ("helper >dev", "6.0"),
    ("helper <=5.0a1.0", "1.0"),
)


@BOTH_RESOLVERS
def test_old_specifiers_are_repaired_as_uv_does(project: Project, index: LocalIndex, resolver: str) -> None:
    expected: dict[str, str] = {}
    for number, (line, version) in enumerate(OLD_SPECIFIERS):
        for offered in ("1.0", "5.0", "5.1", "6.0"):
            index.add(f"helper{number}x", offered)
        index.add(f"pkg{number}", "1.0", [line.replace("helper", f"helper{number}x")])
        expected |= {f"pkg{number}": "1.0", f"helper{number}x": version}
    assert resolved(project, resolver, requiring(name for name in expected if name.startswith("pkg"))) == expected


@BOTH_RESOLVERS
def test_the_lock_keeps_a_repaired_bound(project: Project, index: LocalIndex, resolver: str) -> None:
    index.add("helper", "6.0")
    index.add("pkg", "1.0", ["helper (>=5.1.*)"])
    resolved(project, resolver)
    packages = json.loads((project.root / "locks/lock.json").read_text())["packages"]
    requires = next(package["requires"] for package in packages if package["name"] == "pkg")
    assert requires == ["helper>=5.1"]


BROKEN = ("helper (>=foo)", "helper (>1.0 <6)", "helper =>5.1", "helper ^5.1", "helper ~=5")


@BOTH_RESOLVERS
def test_a_version_with_a_broken_requirement_is_left_out(project: Project, index: LocalIndex, resolver: str) -> None:
    index.add("helper", "6.0")
    index.add("other", "1.0")
    names = [f"pkg{number}" for number in range(len(BROKEN))]
    for name, line in zip(names, BROKEN, strict=True):
        index.add(name, "2.0", [line])
        index.add(name, "1.0", ["other"])
    assert resolved(project, resolver, requiring(names)) == {"other": "1.0", **dict.fromkeys(names, "1.0")}


@BOTH_RESOLVERS
def test_a_broken_requirement_is_the_reason(project: Project, index: LocalIndex, resolver: str) -> None:
    index.add("pkg", "1.0", ["helper (>=foo)"])
    project.write(FAMILY)
    ran = project.run("resolve", "--resolver", resolver)
    assert ran.code == 3
    assert "pkg" in ran.err
    assert "helper (>=foo)" in ran.err
    assert "invalid" in ran.err
    assert "choose another version" in ran.err


def test_an_explicit_index_with_old_and_broken_requirements(project: Project, index: LocalIndex) -> None:
    for version in ("1.0", "6.0"):
        index.add("helper", version)
    with serving(LocalIndex()) as other:
        other.add("pkg", "1.0", ["helper (<6.*)"], python=">=3.*", extras=["not valid!"])
        other.add("pkg", "2.0", ["helper (>=foo)"])
        text = FAMILY.replace("[variants.cpu]", f'[index.own]\nurl = "{other.url}"\npackages = ["pkg"]\n[variants.cpu]')
        text = text.replace('slim"\n', 'slim"\nindex = "own"\n', 1)
        for resolver in RESOLVERS:
            assert resolved(project, resolver, text) == {"helper": "1.0"}


# -- extras ------------------------------------------------------------------------------------


EXTRAS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("x", 'extra == "x"', ()),
    ("x", '"x" == extra', ()),
    ("x", 'extra == "x" and python_version >= "3"', ()),
    ("foo-bar", 'extra == "Foo_Bar"', ()),
    ("foo-bar", 'extra == "Foo_Bar"', ("foo.bar",)),
    ("Foo_Bar", 'extra == "foo-bar"', ("Foo_Bar",)),
    ("FOO.bar", 'extra == "foo_bar"', ("other",)),
    ("x", "extra == 'x'", ("X",)),
)
"""What is requested, the marker, and what Provides-Extra declares."""


@BOTH_RESOLVERS
def test_an_extra_counts_however_it_is_declared(project: Project, index: LocalIndex, resolver: str) -> None:
    requirements = []
    expected = set()
    for number, (requested, marker, declared) in enumerate(EXTRAS):
        index.add(f"helper{number}", "1.0")
        index.add(f"pkg{number}", "1.0", [f"helper{number}; {marker}"], extras=declared)
        requirements.append(f"pkg{number}[{requested}]")
        expected |= {f"pkg{number}", f"helper{number}"}
    assert resolved(project, resolver, requiring(requirements)).keys() == expected
    ran = project.ok("resolve", "--resolver", resolver, "-U")
    assert "no extra" not in ran.err


@BOTH_RESOLVERS
def test_an_undeclared_extra_of_a_package_that_another_one_requires(
    project: Project, index: LocalIndex, resolver: str
) -> None:
    index.add("helper", "1.0")
    index.add("middle", "1.0", ['helper; extra == "Some_Thing"', 'absent; extra == "other"'])
    index.add("pkg", "1.0", ["middle[some-thing]"])
    assert resolved(project, resolver) == {"helper": "1.0", "middle": "1.0"}


# -- URLs --------------------------------------------------------------------------------------

URL = "http://name:secret@127.0.0.1:9/torch-1.0-py3-none-any.whl"


@BOTH_RESOLVERS
@pytest.mark.parametrize(
    "line",
    [
        f"torch @ {URL}",
        f"torch[x]@{URL} ; python_version >= '3'",
        f"torch @ {URL} ; python_full_version < '3.11.3'",
        "torch @ git+https://index.example/torch.git@main",
        "torch @ file:///srv/torch-1.0-py3-none-any.whl",
    ],
    ids=["plain", "with-extra-and-marker", "with-patch-release", "git", "file"],
)
def test_a_requirement_by_url_is_refused(project: Project, index: LocalIndex, resolver: str, line: str) -> None:
    index.add("torch", "1.0", extras=["x"])
    index.add("middle", "2.0", [line])
    index.add("middle", "1.0")
    index.add("pkg", "1.0", ["middle>=2"])
    project.write(FAMILY)
    ran = project.run("resolve", "--resolver", resolver)
    assert ran.code == 3
    assert "middle 2.0 requires torch by URL" in ran.err
    assert "pkg 1.0 requires middle" in ran.err
    assert '[pins] middle = "..."' in ran.err
    assert "secret" not in ran.err
    assert not (project.root / "locks").exists()


@BOTH_RESOLVERS
def test_a_requirement_by_url_that_does_not_count_is_no_obstacle(
    project: Project, index: LocalIndex, resolver: str
) -> None:
    lines = [f"torch @ {URL} ; extra == 'gpu'", f"torch @ {URL} ; sys_platform == 'win32'"]
    index.add("pkg", "1.0", lines, extras=["gpu"])
    assert resolved(project, resolver) == {}
    project.write(FAMILY.replace('"pkg"', '"pkg[gpu]"'))
    ran = project.run("resolve", "--resolver", resolver)
    assert ran.code == 3
    assert "pkg 1.0 requires torch by URL" in ran.err


def test_a_requirement_by_url_on_an_explicit_index(project: Project, index: LocalIndex) -> None:
    with serving(LocalIndex()) as other:
        other.add("pkg", "1.0", [f"torch @ {URL}"])
        text = FAMILY.replace("[variants.cpu]", f'[index.own]\nurl = "{other.url}"\npackages = ["pkg"]\n[variants.cpu]')
        project.write(text.replace('slim"\n', 'slim"\nindex = "own"\n', 1))
        for resolver in RESOLVERS:
            ran = project.run("resolve", "--resolver", resolver)
            assert ran.code == 3, ran.err
            assert "pkg 1.0 requires torch by URL" in ran.err
