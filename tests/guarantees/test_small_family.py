"""The guarantees for a small family, with a real uv and a real index, verified by an independent parser."""

from __future__ import annotations

import json
import subprocess

import pytest
from support.families import SMALL, cpu_family
from support.index import LocalIndex
from support.project import Project
from support.reader import Line


def versions(lines: dict[str, Line]) -> dict[str, str]:
    return {name: line.version for name, line in lines.items()}


def test_closures_are_exact(small: Project) -> None:
    small.ok("resolve")
    read = small.written
    assert versions(read.closure("asr", "cuda")) == {
        "filelock": "3.0.0",
        "numpy": "2.0.0",
        "nvidia-cublas": "12.1",
        "rapid": "2.0",
        "speech": "1.0",
        "torch": "2.5.1+cu121",
        "tqdm": "4.66.0",
    }
    assert versions(read.closure("asr", "cpu")) == {
        "filelock": "3.0.0",
        "numpy": "2.0.0",
        "rapid": "2.0",
        "speech": "1.0",
        "torch": "2.5.1+cpu",
        "tqdm": "4.66.0",
    }
    assert versions(read.closure("demux", "cpu")) == {"numpy": "2.0.0", "tqdm": "4.66.0"}


def test_exactly_the_files_usable_on_the_target_are_locked(small: Project, index: LocalIndex) -> None:
    small.ok("resolve")
    usable = ["numpy-2.0.0-py3-none-any.whl", "numpy-2.0.0-cp311-cp311-manylinux_2_17_x86_64.whl"]
    assert set(small.written.common("cpu")["numpy"].hashes) == {index.sha256(name) for name in usable}


def test_layers_are_disjoint_and_add_up(small: Project) -> None:
    small.ok("resolve")
    read = small.written
    for image, variant in read.tags():
        layers = read.layers(image, variant)
        together = [name for layer in layers for name in layer]
        assert len(together) == len(set(together))
        assert {name: line for layer in layers for name, line in layer.items()} == read.closure(image, variant)


def test_variants_share_a_file_where_they_agree(small: Project) -> None:
    small.ok("resolve")
    files = set(small.tree)
    assert "docker/requirements-common.txt" in files
    assert not any(path.startswith("docker/requirements-common.") and path.count(".") > 1 for path in files)
    assert {"docker/ml/requirements-ml.cpu.txt", "docker/ml/requirements-ml.cuda.txt"} <= files
    assert "docker/ml/requirements-ml.txt" not in files
    assert "docker/asr/requirements-asr.txt" in files, "its variants have the same bytes"


def test_running_twice_changes_nothing(small: Project) -> None:
    small.ok("resolve")
    before = small.tree
    ran = small.ok("resolve")
    assert small.tree == before
    assert "no changes" in ran.out
    assert small.ok("check").out == ""
    assert small.run("resolve", "--check").code == 0


def test_resolve_check_writes_nothing(small: Project) -> None:
    before = small.tree
    ran = small.run("resolve", "--check")
    assert ran.code == 1
    assert "locks/lock.json would be written" in ran.out
    assert small.tree == before


def test_a_relock_keeps_versions_that_still_fit(small: Project, index: LocalIndex) -> None:
    small.ok("resolve")
    index.add("speech", "1.1", ["numpy>=1.26", "torch>=2.4"], extras=["fast"])
    index.add("tqdm", "4.66.5")
    before = small.tree
    small.ok("resolve")
    assert small.tree == before, "new releases alone do not change the lock"

    small.write(SMALL.replace('numpy = "2.0.0"', 'numpy = "1.26.4"'))
    small.ok("resolve")
    closure = versions(small.written.closure("asr", "cuda"))
    assert closure["numpy"] == "1.26.4"
    assert (closure["tqdm"], closure["speech"]) == ("4.66.0", "1.0"), "versions that still fit did not change"

    small.ok("resolve", "--upgrade-package", "tqdm")
    closure = versions(small.written.closure("asr", "cuda"))
    assert (closure["tqdm"], closure["speech"]) == ("4.66.5", "1.0")

    small.ok("resolve", "--upgrade")
    closure = versions(small.written.closure("asr", "cuda"))
    assert (closure["tqdm"], closure["speech"], closure["numpy"]) == ("4.66.5", "1.1", "1.26.4")


def test_the_files_of_a_removed_stage_are_removed(small: Project) -> None:
    small.ok("resolve")
    small.write(SMALL.replace('[stages.demux]\nfrom = "base"\nvariants = ["cpu"]\n', ""))
    assert small.run("check").code == 1
    small.ok("resolve")
    assert not [path for path in small.tree if "demux" in path]
    assert small.ok("check").out == ""


def test_a_user_file_is_reported_and_kept(small: Project) -> None:
    small.ok("resolve")
    small.write("requests\n", "docker/asr/requirements-mine.txt")
    ran = small.ok("resolve")
    assert "not written by lockgen, remove it yourself: docker/asr/requirements-mine.txt" in ran.err
    assert "docker/asr/requirements-mine.txt" in small.tree
    assert small.run("check").code == 1


LEGACY = (
    SMALL
    + """
[stages.old]
from = "base"
variants = ["legacy"]
packages = ["vintage"]
"""
)


def legacy(small: Project, index: LocalIndex, pins: str) -> None:
    index.add("vintage", "1.0", ["numpy<2", "tqdm"])
    variant = f'\n[variants.legacy]\nfrom = "python:3.11-slim"\npins = {{ {pins} }}\n'
    text = LEGACY.replace("\n[pins]", variant + "\n[pins]")
    small.write(text.replace("[bases.ml]\n", '[bases.ml]\nvariants = ["cpu", "cuda"]\n'))


def test_a_variant_with_its_own_pin_resolves_a_conflict(small: Project, index: LocalIndex) -> None:
    legacy(small, index, 'numpy = "1.26.4"')
    small.ok("resolve")
    read = small.written
    assert versions(read.closure("old", "legacy")) == {"numpy": "1.26.4", "tqdm": "4.66.0", "vintage": "1.0"}
    assert read.closure("asr", "cuda")["numpy"].version == "2.0.0"
    plain = (small.root / "docker/requirements-common.txt").read_text()
    assert "numpy==2.0.0" in plain
    own = (small.root / "docker/requirements-common.legacy.txt").read_text()
    assert "numpy==1.26.4" in own
    assert not (small.root / "docker/requirements-common.cpu.txt").exists()
    packages = [(p["name"], p["version"], p["variants"]) for p in read.lock["packages"] if p["name"] == "tqdm"]
    assert packages == [("tqdm", "4.66.0", ["cpu", "cuda", "legacy"])], "everything else stays the same"
    assert small.ok("check").out == ""


def test_variants_may_not_differ_without_a_pin(small: Project, index: LocalIndex) -> None:
    legacy(small, index, 'filelock = "3.0.0"')
    small.write((small.root / "versions.toml").read_text().replace('numpy = "2.0.0"\n', ""))
    index.add("fresh", "1.0", ["numpy>=2"])
    small.write((small.root / "versions.toml").read_text().replace('"speech[fast]"', '"speech[fast]", "fresh"'))
    before = small.tree
    ran = small.run("resolve")
    assert ran.code == 3
    assert "numpy" in ran.err
    assert "[variants.legacy] pins" in ran.err
    assert small.tree == before


def test_every_package_comes_from_its_index(small: Project) -> None:
    small.ok("resolve")
    indexes = {(p["name"], p["version"]): p.get("index") for p in small.written.lock["packages"]}
    assert indexes["torch", "2.5.1+cu121"] == "cu121"
    assert indexes["torch", "2.5.1+cpu"] == "cpu"
    assert {index for (name, _), index in indexes.items() if name != "torch"} == {None}


def test_a_listed_package_that_is_only_needed_by_others(small: Project) -> None:
    text = SMALL.replace('packages = ["torch"]\n', "packages = []\n")
    small.write(text)
    small.ok("resolve")
    assert small.written.closure("asr", "cuda")["torch"].version == "2.5.1+cu121"
    assert "torch" not in small.written.closure("ml", "cuda")


def test_a_listed_package_without_a_pin(small: Project) -> None:
    text = SMALL.replace('packages = ["torch"]\n', "packages = []\n")
    text = text.replace('pins = { torch = "2.5.1+cu121" }\n', "").replace('pins = { torch = "2.5.1+cpu" }\n', "")
    small.write(text)
    small.ok("resolve")
    assert small.written.closure("asr", "cuda")["torch"].version == "2.5.1+cu121"
    assert small.written.closure("asr", "cpu")["torch"].version == "2.5.1+cpu"


def test_both_resolvers_write_the_same_bytes(small: Project) -> None:
    small.ok("resolve")
    with_uv = small.tree
    (small.root / "locks/lock.json").unlink()
    small.ok("resolve", "--resolver", "pip-compile")
    assert small.tree == with_uv


TWO_WAYS = cpu_family(
    "two-ways",
    """\
[bases.base]
packages = ["early", "late"]
""",
)


def test_a_difference_between_the_resolvers_is_reported(project: Project, index: LocalIndex) -> None:
    for version, requires in (("1.0", []), ("2.0", ["early<2"])):
        index.add("early", version)
        index.add("late", version, requires)
    project.write(TWO_WAYS)
    assert "differently" not in project.ok("resolve").err
    assert versions(project.written.closure("base", "cpu")) == {"early": "2.0", "late": "1.0"}
    (project.root / "locks/lock.json").unlink()
    ran = project.ok("resolve", "--resolver", "pip-compile")
    assert versions(project.written.closure("base", "cpu")) == {"early": "1.0", "late": "2.0"}
    assert "early 1.0 by pip-compile, 2.0 by uv" in ran.err
    assert "base: early, late 2.0: early<2" in ran.err
    assert "differently" not in project.ok("resolve", "--resolver", "pip-compile").err, "the lock's versions are kept"


def test_no_file_contains_credentials_or_the_url_of_the_default_index(
    small: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = index.url.replace("http://", "http://robot:s3cr3t-t0ken@")
    monkeypatch.setenv("UV_DEFAULT_INDEX", secret)
    small.write(SMALL.replace("https://index.example/whl/cu121", "https://robot:s3cr3t-t0ken@index.example/whl/cu121"))
    ran = small.ok("resolve")
    everything = b"".join(data for path, data in small.tree.items() if path != "versions.toml")
    assert b"s3cr3t" not in everything + ran.out.encode() + ran.err.encode()
    assert index.url.split("/")[2].encode() not in everything
    assert "https://index.example/whl/cu121" in (small.root / "docker/ml/requirements-ml.cuda.txt").read_text()


def test_the_lock_contains_requirements_sizes_and_own_pins(small: Project) -> None:
    small.ok("resolve")
    lock = json.loads((small.root / "locks/lock.json").read_text())
    speech = next(package for package in lock["packages"] if package["name"] == "speech")
    assert speech["requires"] == ["numpy>=1.26", "torch>=2.4"]
    assert speech["extras"] == {"fast": ["rapid>=2"]}
    assert speech["files"][0]["size"] > 0
    assert lock["own-pins"] == {"cpu": ["torch"], "cuda": ["torch"]}


def test_diff_and_why(small: Project) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@y", *arguments], cwd=small.root, check=True)

    small.ok("resolve")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    small.write(SMALL.replace('numpy = "2.0.0"', 'numpy = "1.26.4"'))
    small.ok("resolve")
    text = small.ok("diff").out
    assert "numpy 2.0.0 -> 1.26.4" in text
    data = json.loads(small.ok("diff", "--json").out)
    assert data["format"] == 1
    assert "| numpy |" in small.ok("diff", "--format", "markdown").out
    assert small.ok("diff", "HEAD", "HEAD").out.strip() == "no changes"
    why = small.ok("why", "filelock").out
    assert "rapid>=2 (2.0) -> filelock<3.1 (3.0.0)" in why
    assert small.run("why", "filelok").code == 2


def test_the_upper_bound_of_requires_python_counts(small: Project, index: LocalIndex) -> None:
    # uv#4022: uv would choose it, and pip would refuse to install it in the image.
    index.add("tqdm", "4.66.7", python=">=3.7,<3.11")
    index.add("tqdm", "4.66.6", python=">=3.7,<3.11")
    small.ok("resolve")
    assert small.written.closure("demux", "cpu")["tqdm"].version == "4.66.0"
    with_uv = small.tree
    (small.root / "locks/lock.json").unlink()
    small.ok("resolve", "--resolver", "pip-compile")
    assert small.tree == with_uv


def test_a_pin_that_requires_another_python_has_no_solution(small: Project, index: LocalIndex) -> None:
    index.add("numpy", "1.99", python="<3.11")
    small.write(SMALL.replace('numpy = "2.0.0"', 'numpy = "1.99"'))
    before = small.tree
    ran = small.run("resolve")
    assert ran.code == 3
    assert "numpy 1.99 requires Python <3.11, and the family has 3.11" in ran.err
    assert "versions.toml:27:1 (pins.numpy)" in ran.err
    assert "the newest that fits is 2.0.0" in ran.err
    assert small.tree == before
