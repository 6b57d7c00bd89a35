"""`lockgen verify --run`, and updates that run built images: a real family on a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.index import LocalIndex
from support.quiet import Silence
from support.tiny import Tiny, docker, living

from lockgen.app import App
from lockgen.io.containers import LABEL
from lockgen.lock.reader import parse_lock
from lockgen.manifest.reader import parse_manifest
from lockgen.proof.model import ImageRun
from lockgen.proof.service import Family, Prover

VERSIONS = """\
[family]
name = "tiny"
registry = "{registry}"
python = "3.11"

[variants.cpu]
from = "python:3.11-slim"

[common]
packages = ["alpha"]

[bases.base]
folders = ["out"]
env = {{ FAMILY = "{registry}" }}  # differs in each run, so no earlier build serves as a cache

[stages.asr]
from = "base"
packages = ["speech"]
copy = ["shared"]
entrypoint = "asr.py"
"""
SMOKE = """\
import os, sys
sys.path.insert(0, "shared")
import speech, tools
open("out/result", "w").write(str(tools.ANSWER))
open(os.path.expanduser("~/cache"), "w").write("x")
"""
TESTS = 'tests = [["python", "shared/smoke.py"]]\n'


def add_packages(index: LocalIndex) -> None:
    index.add("alpha", "1.0")
    index.add("speech", "1.0", files={"speech/models.py": b"from alpha import nothing_like_this\n"})


@pytest.fixture(scope="module")
def tiny(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    with living(tmp_path_factory.mktemp("tiny"), VERSIONS, add_packages) as made:
        (made.root / "shared" / "smoke.py").write_text(SMOKE)
        made.build()
        yield made
    assert docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}") == ""


@pytest.fixture
def original(tiny: Tiny) -> Iterator[Tiny]:
    """The family, whose versions.toml is restored after the test."""
    text = (tiny.root / "versions.toml").read_text()
    yield tiny
    (tiny.root / "versions.toml").write_text(text)


def added(tiny: Tiny, lines: str) -> None:
    """Add ``lines`` to the table of the stage."""
    with (tiny.root / "versions.toml").open("a") as file:
        file.write(lines)


def test_matching_images_are_run(original: Tiny) -> None:
    added(original, TESTS)
    done = original.ok("verify", "--run")
    asr, base = _sections(done.out)["asr:cpu"], _sections(done.out)["base:cpu"]
    assert asr[0] == "asr:cpu: 2 packages as locked, in disjoint layers"
    assert asr[1].startswith("    runs in a container of the built image: 2 packages imported in ")
    assert ", 1 test passed in " in asr[1]
    assert base[1].startswith("    runs in a container of the built image: 1 package imported in ")
    document = original.ok("verify", "--run", "--json", "asr").json
    (image,) = document["images"]
    assert (image["image"], image["faults"], image["run"]["status"]) == ("asr:cpu", [], "yes")
    assert [each["name"] for each in image["run"]["imports"]] == ["alpha", "speech"]
    assert [each["name"] for each in image["run"]["tests"]] == ["python shared/smoke.py"]
    assert image["run"]["isolated"] is True
    assert "run" not in original.ok("verify", "--json", "asr").json["images"][0]


def test_an_image_that_does_not_run_is_a_finding(original: Tiny) -> None:
    added(original, 'check-imports = ["speech.models"]\ntests = [["python", "-c", "raise SystemExit(\'no model\')"]]\n')
    done = original.run("verify", "--run", "asr")
    assert done.code == 1
    assert done.out.splitlines() == [
        "asr:cpu: 2 packages as locked, in disjoint layers",
        "    does not run in a container of the built image:",
        "        speech.models cannot be imported: ImportError: cannot import name 'nothing_like_this' from 'alpha' "
        "(alpha/__init__.py)",
        "        python -c raise SystemExit('no model'): it ended with exit code 1",
        "            no model",
    ]
    assert original.run("verify", "asr").code == 0


def test_a_gpu_that_is_not_there_makes_the_result_unknown(original: Tiny) -> None:
    done = original.run("verify", "--run", "--gpus", "all", "asr")
    assert done.code == 4
    assert "unknown whether it runs: the engine has no GPU for --gpus all: install the NVIDIA Container" in done.out
    refused = original.run("verify", "--gpus", "all", "asr")
    assert (refused.code, "--gpus needs --run" in refused.err) == (2, True)


def test_an_image_with_faults_is_not_run(original: Tiny) -> None:
    reference = original.reference("asr", "cpu")
    folder = original.root.parent / "other"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f'FROM {reference}\nLABEL dev.lockgen.lock="another"\n')
    identity = docker("image", "inspect", "--format", "{{.Id}}", reference)
    docker("build", "--quiet", "--tag", reference, str(folder))
    try:
        done = original.run("verify", "--run", "--json", "asr")
        assert done.code == 1
        (image,) = done.json["images"]
        assert image["faults"] == ["its label shows that it was built from another lock"]
        assert image["run"] is None
    finally:
        docker("tag", identity, reference)


def test_an_image_that_is_missing_and_an_engine_that_does_not_answer(original: Tiny, tmp_path: Path) -> None:
    missing = original.run("verify", "--run", "--registry", "localhost:5000/nowhere", "asr")
    assert missing.code == 2
    assert "the engine has no image localhost:5000/nowhere/tiny-asr:cpu" in missing.err
    lost = replace(original, env={**original.env, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    for arguments in (("verify",), ("verify", "--run", "asr")):
        done = lost.run(*arguments)
        assert done.code == 4
        assert "the engine does not answer" in done.err


def proved(tiny: Tiny) -> ImageRun:
    """The stage as `update` runs it."""
    app = App.of(tiny.root, Silence())
    manifest = parse_manifest((tiny.root / "versions.toml").read_bytes(), "versions.toml")
    lock = parse_lock((tiny.root / "locks" / "lock.json").read_bytes(), "locks/lock.json")
    with Prover(app, with_tests=True, no_cache=True) as prover:
        return prover.run(Family(app, manifest, lock), [lock.by_tag["asr", "cpu"]])["asr:cpu"]


@pytest.fixture
def unreachable(original: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """The family on a machine that cannot install its packages."""
    for name, value in original.lost().env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    return original


def test_where_packages_cannot_be_installed_the_built_image_runs(unreachable: Tiny) -> None:
    added(unreachable, TESTS)
    found = proved(unreachable)
    assert (found.status, found.where, found.reason) == ("yes", "in a container of the built image", "")
    assert len(found.tests) == 1


def test_an_image_of_another_lock_is_not_used(unreachable: Tiny) -> None:
    reference, base = (unreachable.reference(name, "cpu") for name in ("asr", "base"))
    identity = docker("image", "inspect", "--format", "{{.Id}}", reference)
    docker("tag", base, reference)
    try:
        found = proved(unreachable)
    finally:
        docker("tag", identity, reference)
    assert found.status == "unknown"
    assert found.reason.startswith("a package cannot be installed: ")
    assert f"; a built image cannot be run instead: the image {reference} of the engine was built" in found.reason


def test_without_an_image_both_reasons_are_given(unreachable: Tiny) -> None:
    reference = unreachable.reference("asr", "cpu")
    identity = docker("image", "inspect", "--format", "{{.Id}}", reference)
    docker("tag", identity, "lockgen-test-kept")
    docker("rmi", reference)
    try:
        found = proved(unreachable)
    finally:
        docker("tag", identity, reference)
        docker("rmi", "lockgen-test-kept")
    assert found.status == "unknown"
    assert found.reason.startswith("a package cannot be installed: ")
    wanted = f"the engine has no image {reference}: build it with `lockgen build asr:cpu`, or pull it"
    assert found.reason.endswith(f"; a built image cannot be run instead: {wanted}")


def test_without_an_engine_both_reasons_are_given(
    unreachable: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    found = proved(unreachable)
    assert found.status == "unknown"
    assert "; a built image cannot be run instead: the engine does not answer (" in found.reason


def _sections(text: str) -> dict[str, list[str]]:
    """The lines of each image."""
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith(" "):
            name = line.partition(": ")[0]
            sections[name] = []
        sections[name].append(line)
    return sections
