"""Messages about a family without a solution lead to something that versions.toml can do."""

from __future__ import annotations

import json

import pytest
from support.families import SMALL, cpu_family
from support.index import LocalIndex, serving
from support.project import Project, Ran

RESOLVERS = ["uv", "pip-compile"]
CP312 = "cp312-cp312-manylinux_2_17_x86_64"


def family(packages: str, pins: str = "", *, extra: str = "", more: str = "") -> str:
    """A family of one stage; ``extra`` are lines of [family]."""
    tables = f'[pins]\n{pins}\n[bases.base]\n[stages.app]\nfrom = "base"\npackages = [{packages}]\n{more}'
    return cpu_family("one", tables, settings=extra)


def fails(project: Project, text: str, *arguments: str, code: int = 3) -> Ran:
    project.write(text)
    ran = project.run("resolve", *arguments)
    assert ran.code == code, ran.err + ran.out
    for foreign in ("exclude-newer-package", "tool.uv", "--prerelease", "--index-strategy", "--no-build-isolation"):
        assert foreign not in ran.err
    return ran


def test_a_build_that_needs_an_old_setuptools(
    project: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.index.TINY_BACKEND", "import pkg_resources\n")
    index.add_backend("1.0")
    index.add("whisper", "1.0", source=True, builds=["tinybackend"])
    ran = fails(project, family('"whisper"', extra='build = ["whisper"]'), code=4)
    assert "No module named 'pkg_resources'" in ran.err
    assert 'A pin of setuptools applies to builds too: [pins] setuptools = "80.9.0"' in ran.err


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_pin_of_setuptools_applies_to_builds(project: Project, index: LocalIndex, resolver: str) -> None:
    for version in ("80.9.0", "82.0.0"):
        index.add("setuptools", version)
    index.add_backend("1.0")
    index.add("whisper", "1.0", source=True, builds=["tinybackend", "setuptools"])
    project.write(family('"whisper"', 'setuptools = "80.9.0"', extra='build = ["whisper"]'))
    ran = project.ok("resolve", "--resolver", resolver)
    assert "has no effect" not in ran.err
    assert "setuptools==80.9.0" in (project.root / "docker/requirements-build.txt").read_text()


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_misspelt_package(project: Project, index: LocalIndex, resolver: str) -> None:
    for name in ("requests", "python-dotenv", "scikit-learn", "numpy"):
        index.add(name, "1.0")
    text = family('"reqests", "dotenv", "sklearn", "nunpy", "qqqqqq"', 'numpy = "1.0"', more='[stages.b]\nfrom="base"')
    ran = fails(project, text, "--resolver", resolver)
    for wrong, right in (
        ("reqests", "requests"),
        ("dotenv", "python-dotenv"),
        ("sklearn", "scikit-learn"),
        ("nunpy", "numpy"),
    ):
        message = f"no such package: {wrong} is not on the default index"
        assert message in ran.err
        assert f"did you mean `{right}`?" in ran.err.partition(message)[2].partition("error: ")[0]
    last = ran.err.partition("qqqqqq is not on the default index")[2]
    assert "did you mean" not in last
    assert "versions.toml:" in last
    assert "conclude" not in ran.err


def test_a_spelling_that_the_index_does_not_have_is_not_suggested(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.0")
    ran = fails(project, family('"numpy", "reqests"'))
    assert "did you mean" not in ran.err


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize(("packages", "pins"), [('"numpy"', 'numpy = "1.99.0"'), ('"numpy==1.99.0"', "")])
def test_a_version_that_does_not_exist(
    project: Project, index: LocalIndex, resolver: str, packages: str, pins: str
) -> None:
    for version in ("1.26.0", "1.98.0", "2.0.0", "2.1.0", "3.0.0rc1"):
        index.add("numpy", version)
    ran = fails(project, family(packages, pins), "--resolver", resolver)
    assert "there is no numpy 1.99.0; the newest is 2.1.0, the nearest 1.98.0 and 2.0.0" in ran.err


def test_a_bound_that_no_version_fulfils(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.26.0")
    assert "no version of numpy is >=7; the newest is 1.26.0" in fails(project, family('"numpy>=7"')).err


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("label", ["cu121", "cpu", "rocm6.2"])
def test_a_build_without_its_index(project: Project, index: LocalIndex, resolver: str, label: str) -> None:
    index.add("torch", "2.5.1")
    ran = fails(project, family('"torch"', f'torch = "2.5.1+{label}"'), "--resolver", resolver)
    assert f"torch 2.5.1+{label} is not on the default index" in ran.err
    assert f"+{label} is on https://download.pytorch.org/whl/{label}: add [index.{label}]" in ran.err


def test_a_local_version_of_nobody(project: Project, index: LocalIndex) -> None:
    index.add("pkg", "1.0")
    assert "add [index.NAME]" in fails(project, family('"pkg==1.0+team"')).err


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_a_pin_without_a_wheel_that_only_others_need(project: Project, index: LocalIndex, resolver: str) -> None:
    index.add("numpy", "1.21.6", tag="cp310-cp310-manylinux_2_17_x86_64")
    index.add("numpy", "1.26.4")
    for number in range(30):
        index.add("whisper", f"1.{number}", ["numpy<2"] if number % 2 else ["numpy<1.99"])
    ran = fails(project, family('"whisper"', 'numpy = "1.21.6"'), "--resolver", resolver)
    assert "numpy 1.21.6 has no wheel for Python 3.11; the newest version with one is 1.26.4" in ran.err
    assert "(pins.numpy)" in ran.err
    assert len(ran.err.splitlines()) < 8


def test_a_wheel_for_another_platform_or_python(project: Project, index: LocalIndex) -> None:
    index.add("glib", "1.0", tag="cp311-cp311-manylinux_2_39_x86_64")
    index.add("mac", "1.0", tag="cp311-cp311-macosx_11_0_arm64")
    index.add("young", "2.0", python=">=3.12")
    index.add("young", "1.0")
    ran = fails(project, family('"glib", "mac", "young>=2"'))
    for name in ("glib", "mac"):
        assert f"{name} 1.0 has no wheel for linux" in ran.err
    assert "young 2.0 requires Python >=3.12, and the family has 3.11" in ran.err
    assert "the newest that fits is 1.0" in ran.err


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_all_packages_without_wheels_at_once(project: Project, index: LocalIndex, resolver: str) -> None:
    names = [f"nat{letter}" for letter in "abcdefg"]
    for name in names:
        index.add(name, "1.0", source=True)
    packages = ", ".join(f'"{name}"' for name in names)
    ran = fails(project, family(packages, extra='build = ["docopt"]'), "--resolver", resolver)
    assert ran.err.count("error: ") == 7
    assert ran.err.count("hint: ") == 1
    listed = ", ".join(f'"{name}"' for name in ["docopt", *names])
    assert f"[family] build = [{listed}]" in ran.err


def test_faults_of_several_kinds_at_once(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.0")
    index.add("torch", "2.5.1")
    ran = fails(project, family('"nunpy", "numpy>=4", "torch==2.5.1+cu121"'))
    assert ran.err.count("error: ") == 3


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("middle", [False, True])
def test_a_plain_conflict_next_to_a_source_distribution(
    project: Project, index: LocalIndex, resolver: str, middle: bool
) -> None:
    index.add("cryptography", "50.0")
    index.add("cryptography", "49.0")
    for version in ("3.9", "3.10", "3.11"):
        index.add("mlflow", version, ["cryptography<50"])
    index.add("mlflow", "3.8", source=True)
    index.add("mlflow", "3.12", ["cryptography<50"], source=True)
    index.add("user", "1.0", ["mlflow>=3.9"])
    asked = '"user"' if middle else '"mlflow>=3.9"'
    ran = fails(project, family(f'{asked}, "cryptography>=50"'), "--resolver", resolver)
    assert "build = " not in ran.err
    assert "no wheel" not in ran.err
    assert "cryptography<50" in ran.err
    assert "lockgen explain" in ran.err
    assert "lockgen repair" in ran.err


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_an_index_without_upload_times(project: Project, index: LocalIndex, resolver: str) -> None:
    for name in ("requests", "numpy"):
        index.add(name, "1.0")
        for entry in index.pages[name].values():
            del entry["upload-time"]
    text = family('"requests", "numpy"', extra="exclude-newer = 2025-06-01T00:00:00Z")
    ran = fails(project, text, "--resolver", resolver)
    for name in ("requests", "numpy"):
        assert f"exclude-newer leaves out {name}: the index does not say when its files were uploaded" in ran.err
    assert ran.err.count("hint: ") == 1
    assert "remove exclude-newer from [family]; or list these packages on an index of their own" in ran.err
    assert '[index.NAME] packages = ["numpy", "requests"]' in ran.err


def test_a_pin_newer_than_the_cut_off(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.0")
    index.add("numpy", "2.0", uploaded="2025-07-01T12:00:00Z")
    ran = fails(project, family('"numpy"', 'numpy = "2.0"', extra="exclude-newer = 2025-06-01T00:00:00Z"))
    later = "2.0 exists since 2025-07-01, after exclude-newer = 2025-06-01"
    assert f"numpy 2.0 is newer than exclude-newer; {later}" in ran.err
    assert "take 1.0, or move [family] exclude-newer to 2025-07-02 or later" in ran.err


CUT_OFF = "exclude-newer = 2025-06-01T10:30:00Z"
LATER = "exists since 2025-07-01, after exclude-newer = 2025-06-01T10:30:00Z"


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("numpy==1.9", f"there is no numpy 1.9; the newest is 1.2; 2.1 {LATER}"),
        ("numpy>=7", f"no version of numpy is >=7; the newest is 1.2; 2.1 {LATER}"),
        ("numpy==1.3", f"numpy 1.3 has no wheel for Python 3.11; the newest version with one is 1.2; 2.1 {LATER}"),
        ("numpy==1.4", f"numpy 1.4 requires Python >=3.12, and the family has 3.11; 2.1 {LATER}"),
        ("numpy==2.1", f"numpy 2.1 is newer than exclude-newer; 2.1 {LATER}"),
        # 2.0 needs another Python, and 3.0 came later.
        ("numpy>=2,<4", f"numpy <4,>=2 is newer than exclude-newer; 2.1 {LATER}"),
    ],
)
def test_no_version_is_proposed_that_the_family_cannot_have(
    project: Project, index: LocalIndex, requirement: str, expected: str
) -> None:
    early, late = "2025-02-01T00:00:00Z", "2025-07-01T00:00:00Z"
    index.add("numpy", "1.1", uploaded=early)
    index.add("numpy", "1.2", uploaded=early)
    index.add("numpy", "1.3", uploaded=early, tag="cp310-cp310-manylinux_2_17_x86_64")
    index.add("numpy", "1.4", uploaded=early, python=">=3.12")
    index.add("numpy", "1.5rc1", uploaded=early)
    index.add("numpy", "1.10", uploaded=early, python=">=3.12")
    index.add("numpy", "2.0", uploaded="2025-06-15T00:00:00Z", python=">=3.12")
    index.add("numpy", "2.1", uploaded=late)
    index.add("numpy", "3.0", uploaded="2025-08-01T00:00:00Z")
    ran = fails(project, family(f'"{requirement}"', extra=CUT_OFF))
    assert expected in ran.err


def test_a_long_proof_is_cut(project: Project, index: LocalIndex) -> None:
    for number in range(60):
        index.add("left", f"1.{number}", [f"shared=={number}.1"])
        index.add("right", f"1.{number}", [f"shared=={number}.2"])
        index.add("shared", f"{number}.1")
        index.add("shared", f"{number}.2")
    ran = fails(project, family('"left", "right"'))
    assert len(ran.err.splitlines()) < 40
    assert "more lines; lockgen explain shows all of them" in ran.err


def test_files_of_a_removed_stage_are_reported_as_removed(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.0")
    kept = family('"numpy"')
    project.write(kept + '[stages.gone]\nfrom = "base"\n')
    project.ok("resolve")
    project.write(kept)
    assert "docker/gone/Dockerfile would be removed" in project.run("resolve", "--check").out
    data = json.loads(project.run("resolve", "--check", "--json").out)
    assert "docker/gone/Dockerfile" in data["removed"]
    assert set(data["removed"]) < set(data["files"])
    ran = project.ok("resolve")
    assert "docker/gone/Dockerfile removed" in ran.out
    assert "locks/lock.json written" in ran.out


def test_a_package_that_another_index_has(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.0")
    with serving(LocalIndex()) as other:
        other.add("torch", "2.5.1+cu121")
        other.add("xformers", "9.0")
        for name in ("torch", "xformers"):
            for entry in other.pages[name].values():
                del entry["upload-time"]
        listed = f'[index.team]\nurl = "{other.url}"\npackages = ["torch"]\n'
        text = family('"numpy", "xformers"', extra="exclude-newer = 2025-06-01T00:00:00Z", more=listed)
        ran = fails(project, text)
        assert "no such package: xformers is not on the default index" in ran.err
        hint = 'take it from index team: add "xformers" to [index.team] packages, and set [variants.cpu] index = "team"'
        assert hint in ran.err
        use = text.replace('slim"', 'slim"\nindex = "team"').replace('["torch"]', '["torch", "xformers"]')
        project.write(use)
        project.ok("resolve")


def test_a_build_whose_index_does_not_list_it(project: Project, index: LocalIndex) -> None:
    index.add("torch", "2.5.1")
    listed = (
        '[index.gpu]\nurl = "http://127.0.0.1:9/whl/cu121"\npackages = ["torchaudio"]\nrecorded = "locks/index/gpu"\n'
    )
    ran = fails(project, family('"torch"', 'torch = "2.5.1+cu121"', more=listed))
    assert 'add "torch" to [index.gpu] packages, and set [variants.cpu] index = "gpu"' in ran.err
    assert "lockgen index record gpu" in ran.err


def test_faults_of_meaning_are_reported_at_once(project: Project) -> None:
    text = family('"numpy"', extra='build = ["x", "X"]').replace('from = "base"', 'from = "nowhere"')
    ran = fails(project, text + '[lint.unimported]\n"no such name" = "y"\n', code=2)
    assert ran.err.count("error: ") >= 3


def test_all_packages_without_an_index_at_once(small: Project) -> None:
    text = SMALL.replace('index = "cpu"\n', "").replace('pins = { torch = "2.5.1+cpu" }\n', "")
    small.write(text.replace('packages = ["torch"]\n\n[stages', 'packages = ["torch", "torchaudio"]\n\n[stages'))
    ran = small.run("resolve")
    assert ran.code == 3
    for name in ("torch", "torchaudio"):
        assert f"variant cpu needs {name}, which comes only from" in ran.err


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize(
    "wrong",
    [
        ('from = "python:3.11-slim"', 'from = "python:3.11-alpine"', "musl"),
        ('from = "python:3.11-slim"', 'from = "amazonlinux:2023"', "rpm"),
        ('from = "python:3.11-slim"', 'from = "python:3.12-slim"', "has Python 3.12"),
        ('from = "python:3.11-slim"', "from = 311", "expected a string"),
        ("[bases.base]", '[bases.base]\napt = "curl"', "expected an array"),
        ("[bases.base]", '[bases.base]\npackages = ["git+https://example.org/x"]', "by URL or path"),
        ('name = "one"', 'name = "one"\nuid = "me"', "expected an integer"),
    ],
    ids=lambda wrong: wrong[2],
)
def test_what_the_index_lacks_next_to_other_faults(
    project: Project, index: LocalIndex, resolver: str, wrong: tuple[str, str, str]
) -> None:
    index.add("numpy", "1.26.4")
    index.add("requests", "1.0")
    index.add("needy", "1.0", ["numpy"])
    text = family('"reqests", "needy", "requests"', 'numpy = "1.99"\nrequests = "7"').replace(*wrong[:2])
    ran = fails(project, text, "--resolver", resolver, code=2)
    assert wrong[2] in ran.err
    assert "no such package: reqests is not on the default index" in ran.err
    assert "there is no requests 7; the newest is 1.0" in ran.err
    assert "there is no numpy 1.99; the newest is 1.26.4" in ran.err
    assert ran.err.count("error: ") == 4
    assert ran.err.count("  --> versions.toml:") == 4
    assert not list(project.root.glob("docker"))


def test_an_unused_pin_does_not_hide_the_reason(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.0")
    index.add("numpy", "2.0")
    index.add("old", "1.0", ["numpy<2"])
    ran = fails(project, family('"old", "numpy>=2"', 'absent = "1.0"'))
    assert "numpy<2" in ran.err
    assert "absent" not in ran.err


def test_a_conflict_next_to_an_unusable_base_image(project: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.0")
    index.add("numpy", "2.0")
    index.add("old", "1.0", ["numpy<2"])
    text = family('"old", "numpy>=2"').replace("3.11-slim", "3.11-alpine")
    ran = fails(project, text, code=2)
    assert "musl" in ran.err
    assert "numpy<2" in ran.err
    assert ran.err.count("error: ") == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ('from = "python:3.11-slim"', 'from = "python:3.11-alpine"'),
        ('from = "python:3.11-slim"', 'from = "python:3.11-slim"\nindex = "gone"'),
        ('python = "3.11"', 'python = "3.99"'),
    ],
)
def test_faults_of_a_file_alone_cause_no_others(project: Project, index: LocalIndex, wrong: tuple[str, str]) -> None:
    index.add("numpy", "1.0")
    ran = fails(project, family('"numpy"').replace(*wrong), code=2)
    assert ran.err.count("error: ") == 1


def test_an_index_that_does_not_answer_hides_no_fault(project: Project, index: LocalIndex) -> None:
    index.answers["/simple/numpy/"] = (500, {}, b"")
    text = family('"numpy"').replace("3.11-slim", "3.11-alpine")
    assert "musl" in fails(project, text, code=2).err
    assert "musl" in fails(project, text, "--offline", code=2).err
