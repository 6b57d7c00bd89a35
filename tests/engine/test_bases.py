"""Image contents other than Python packages: Ubuntu with a PPA, bases by digest, system packages, builders, models."""

from __future__ import annotations

import json
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.index import LocalIndex, metadata, serving, wheel
from support.native import native_sdist
from support.tiny import PYTHON, Tiny, add_tools, docker, family, own_registry

CUDA = "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04"
UBUNTU = Path(__file__).parent / "ubuntu"

VERSIONS = """\
[family]
name = "tiny"
registry = "{registry}"
python = "3.11"
build = ["zipped"]

[variants.cpu]
from = "DIGEST"

[variants.ubuntu]
from = "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04"
ppa = "deadsnakes/ppa"

[common]
packages = ["alpha"]

[bases.base]
env = {{ FAMILY = "{registry}" }}  # differs in each run, so no earlier build serves as a cache

[stages.plain]
from = "base"
variants = ["ubuntu"]
entrypoint = "plain.py"

[bases.models]
from = "base"
variants = ["cpu"]
packages = ["fakemodel"]
preload = ["fakemodel download big"]

[stages.talk]
from = "models"
entrypoint = "talk.py"
env = {{ PYTHONPATH = "/app:/app/shared" }}
copy = ["shared"]
preload = ["fakemodel wheel"]

[stages.native]
from = "base"
variants = ["cpu"]
packages = ["zipped"]
build-apt = ["gcc", "libc6-dev", "python3.11-dev", "zlib1g-dev"]
entrypoint = "native.py"

[stages.maker]
from = "base"
variants = ["cpu"]
apt = ["gcc"]
entrypoint = "maker.py"
"""

# As programs that fetch models do: it writes to the configured caches, or calls pip, as `spacy download` does.
FAKEMODEL = b"""
import os, pathlib, subprocess, sys

command, *rest = sys.argv[1:]
if command == "download":
    for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        folder = pathlib.Path(os.environ[name])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / rest[0]).write_text("weights for " + name)
else:
    model = next(pathlib.Path(__file__).parent.glob("*.whl"))
    subprocess.run([sys.executable, "-m", "pip", "install", model.as_uri()], check=True)
"""


def _fill(index: LocalIndex) -> None:
    add_tools(index)
    index.add("alpha", "1.0")
    # A model that requires a package of the image: it must not be installed twice.
    name, data = wheel("core-tiny", "1.0", "py3-none-any", metadata("core-tiny", "1.0", ["alpha>=1"], [], None))
    index.add("fakemodel", "1.0", files={"fakemodel/__main__.py": FAKEMODEL, f"fakemodel/{name}": data})
    name, data = native_sdist("zipped", "1.0")
    index.add_file("zipped", name, data, None)


def _digest(reference: str) -> str:
    """The stand-in for python:3.11-slim, pushed, by tag and digest."""
    docker("tag", PYTHON, reference)
    docker("push", reference)
    digests: list[str] = json.loads(docker("image", "inspect", "--format", "{{json .RepoDigests}}", reference))
    name = reference.rpartition(":")[0]
    return reference + "@" + next(d.partition("@")[2] for d in digests if d.startswith(f"{name}@"))


@pytest.fixture(scope="module")
def bases(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    folder = tmp_path_factory.mktemp("bases")
    by_digest = _digest(f"{own_registry(folder)}/python:3.11-slim")
    with serving(LocalIndex()) as index:
        _fill(index)
        with family(folder, index, VERSIONS.replace("DIGEST", by_digest)) as made:
            yield made


@pytest.fixture(scope="module")
def ubuntu(bases: Tiny) -> str:
    """A stand-in for Ubuntu 22.04 with its own Python: Debian with packages of the same names; its PPA is a folder."""
    reference = f"{bases.registry}/ubuntu:22.04"
    docker("build", "--tag", reference, "--build-arg", f"BASE_IMAGE={CUDA}", str(UBUNTU))
    return reference


def _sh(reference: str, script: str) -> str:
    """The output of a script in an image, as root; the script must succeed."""
    return docker("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh", reference, "-euc", script)


def _faults(bases: Tiny, image: str) -> list[str]:
    rows = bases.run("verify", "--json", image).json["images"]
    return [fault for row in rows for fault in row["faults"]]


def test_the_stand_in_is_an_ubuntu_with_its_own_python(ubuntu: str) -> None:
    assert _sh(ubuntu, ". /etc/os-release; echo $ID; python3.10; python3") == "ubuntu\nPython 3.10.12\nPython 3.10.12"
    assert _sh(ubuntu, "command -v python3.11 || command -v add-apt-repository") == "/usr/bin/add-apt-repository"


def test_ubuntu_gets_its_only_python_from_the_ppa(bases: Tiny, ubuntu: str) -> None:
    built = bases.build("--base", f"ubuntu={ubuntu}", "plain")
    assert built.keys() == {"plain:ubuntu"}
    reference = bases.reference("plain", "ubuntu")
    assert docker("run", "--rm", reference, "--self-check") == "1 package as locked, 1 imported"
    assert _sh(reference, "python3.11 -c 'import sys; print(sys.version_info[:2])'") == "(3, 11)"
    assert _sh(reference, "dpkg-query -W -f '${Version}' python3.11").endswith("+jammy1")
    pythons = _sh(reference, "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' '*python3*'").splitlines()
    assert sorted(line.split()[-1] for line in pythons if line.startswith("ii")) == [
        "libpython3.11-minimal",
        "libpython3.11-stdlib",
        "python3.11",
        "python3.11-minimal",
    ]
    left = "ls -d /usr/bin/python* /usr/lib/python3.*; find /usr/lib/python3 -type f"
    assert _sh(reference, left).split() == ["/usr/bin/python3.11", "/usr/lib/python3.11"]
    tools = "! dpkg-query -W software-properties-common gpg-agent python3-software-properties 2>/dev/null | grep -q ."
    _sh(reference, f"{tools}; test ! -e /ppa; test ! -e /asked")
    # The fake writes its arguments to the source file: exactly the PPA of versions.toml.
    source = _sh(reference, "cat /etc/apt/sources.list.d/deadsnakes-ubuntu-ppa-jammy.list").splitlines()
    assert source[0].startswith("deb ")
    assert source[1] == "# add-apt-repository -y -n ppa:deadsnakes/ppa"
    assert _faults(bases, "plain") == []


def test_ubuntu_gets_one_python_with_the_package_lists_of_an_earlier_build(bases: Tiny, ubuntu: str) -> None:
    base = bases.root / "docker/base"
    reference = f"{bases.registry}/again:1"
    owner = bases.registry.rpartition("/")[2]
    # Another PPA makes the step run again, with what the run before left in the cache mounts.
    for ppa in ("first", "second"):
        arguments = [f"BASE_IMAGE={ubuntu}", f"VARIANT={owner}", f"PPA={owner}/{ppa}"]
        options = [f"--build-arg={argument}" for argument in arguments]
        docker(
            "build",
            "--target",
            "system",
            "--tag",
            reference,
            *options,
            "--file",
            str(base / "Dockerfile"),
            str(bases.root),
        )
        assert _sh(reference, "dpkg-query -W -f '${Version}' python3.11").endswith("+jammy1")
        assert _sh(reference, "ls -d /usr/bin/python*").split() == ["/usr/bin/python3.11"]


def test_a_base_image_by_digest(bases: Tiny) -> None:
    bases.build("base:cpu")
    reference = bases.reference("base", "cpu")
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", reference))
    named = labels["org.opencontainers.image.base.name"]
    assert named.startswith(f"{bases.registry}/python:3.11-slim@sha256:")
    assert labels["org.opencontainers.image.base.digest"] == named.partition("@")[2]
    assert f"ARG BASE_IMAGE={named}\n" in (bases.root / "docker/base/Dockerfile").read_text()
    assert _faults(bases, "base:cpu") == []


def test_a_build_and_plain_bake_accept_another_base_image(bases: Tiny, tmp_path: Path) -> None:
    mirror = f"{bases.registry}/mirror:1"
    (tmp_path / "Dockerfile").write_text(f"FROM {PYTHON}\nRUN touch /mirrored\n")
    docker("build", "--tag", mirror, str(tmp_path))
    by_digest = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", _base(bases)))
    known = by_digest["org.opencontainers.image.base.name"]
    for name in ("cpu", known):
        bases.build("--base", f"{name}={mirror}", "base:cpu")
        _sh(_base(bases), "test -e /mirrored")
        bases.build("base:cpu")
        _sh(_base(bases), "test ! -e /mirrored")
    environment = {**bases.env, "BASE_CPU": mirror, "WHEELHOUSE": bases.fetched()[1]}
    script = bases.root / "docker" / "build-all-images.sh"
    subprocess.run(["sh", script, "base-cpu"], env=environment, check=True, capture_output=True, timeout=600)
    _sh(_base(bases), "test -e /mirrored")
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", _base(bases)))
    assert labels["org.opencontainers.image.base.name"] == mirror
    bases.build("base:cpu")


def _base(bases: Tiny) -> str:
    return bases.reference("base", "cpu")


def test_models_are_fetched_in_a_builder(bases: Tiny) -> None:
    bases.build("models", "talk")
    talk = bases.reference("talk", "cpu")
    assert docker("run", "--rm", talk, "--self-check") == "2 packages as locked, 2 imported"
    read = (
        "import os, pathlib, core_tiny; print(core_tiny.__file__);"
        "names = 'HF_HOME', 'TORCH_HOME', 'XDG_CACHE_HOME';"
        "[print((pathlib.Path(os.environ[name]) / 'big').read_text()) for name in names];"
        "(pathlib.Path(os.environ['HF_HOME']) / 'more').write_text('x')"
    )
    assert docker("run", "--rm", "--entrypoint", "python", talk, "-c", read).splitlines() == [
        "/opt/models/site-packages/core_tiny/__init__.py",
        "weights for HF_HOME",
        "weights for TORCH_HOME",
        "weights for XDG_CACHE_HOME",
    ]
    assert docker("run", "--rm", "--entrypoint", "python", talk, "-c", "import tools; print(tools.ANSWER)") == "42"
    _sh(talk, "test ! -e /tools; test ! -e /models; ! python -m pip --version 2>/dev/null; test ! -e /tmp/pip")
    assert _sh(talk, "ls /opt/models/site-packages").split() == ["core_tiny", "core_tiny-1.0.dist-info"]
    assert _sh(talk, "find /opt/models -name '*.pyc'") == ""
    docker("run", "--rm", "--entrypoint", "sh", talk, "-euc", "test ! -w /opt/models/site-packages")
    assert _faults(bases, "models") + _faults(bases, "talk") == []


def test_a_change_of_code_does_not_fetch_models_again(bases: Tiny) -> None:
    bases.build("talk")
    bases.edit("docker/talk/talk.py", "The talk stage.", "The talk stage, better.")
    row = bases.build("talk")["talk:cpu"]
    assert len(row["ran"]) == row["steps"] - row["cached"] == 1
    assert row["ran"][0].startswith("COPY docker/talk/self_check.py")


def test_a_builder_compiles_and_leaves_no_compiler(bases: Tiny) -> None:
    bases.build("native")
    reference = bases.reference("native", "cpu")
    assert docker("run", "--rm", reference, "--self-check") == "2 packages as locked, 2 imported"
    run = "import zipped; print(zipped.crc(b'lockgen'))"
    assert docker("run", "--rm", "--entrypoint", "python", reference, "-c", run) == str(zlib.crc32(b"lockgen"))
    _sh(reference, "! command -v gcc cc ld; test ! -e /usr/include/zlib.h; ! ls /usr/share/doc | grep -e '-dev$'")
    assert _faults(bases, "native") == []


def test_a_declared_compiler_is_not_a_fault(bases: Tiny) -> None:
    bases.build("maker")
    _sh(bases.reference("maker", "cpu"), "gcc --version; cc --version")
    assert _faults(bases, "maker") == []


@pytest.mark.parametrize("image", ["native", "maker"])
def test_an_undeclared_compiler_or_dev_package_is_a_fault(bases: Tiny, tmp_path: Path, image: str) -> None:
    """Added by hand: gcc, declared in `apt` of maker; a -dev package in no `apt`; a compiler from no package."""
    bases.build(image)
    reference = bases.reference(image, "cpu")
    held = docker("image", "inspect", "--format", "{{.Id}}", reference)
    script = (
        "apt-get update && apt-get install -y --no-install-recommends gcc zlib1g-dev && rm -rf /var/lib/apt/lists/*"
    )
    (tmp_path / "Dockerfile").write_text(
        f"FROM {reference}\nUSER 0\nRUN {script} && apt-get clean && ln -s /bin/true /usr/local/bin/rustc\nUSER 1000\n"
    )
    docker("build", "--tag", reference, str(tmp_path))
    try:
        faults = _faults(bases, image)
    finally:
        docker("tag", held, reference)
    assert {"a compiler: /usr/local/bin/rustc", "a -dev package: zlib1g-dev"} <= set(faults)
    of_gcc = {"a compiler: /usr/bin/gcc", "a compiler: /usr/bin/cc"} & set(faults)
    assert len(of_gcc) == (2 if image == "native" else 0)
