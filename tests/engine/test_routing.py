"""Builds against a hostile default index: no listed package is requested from it, and its copies are not installed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name
from support.index import TINY_BACKEND, LocalIndex, metadata, serving, wheel
from support.tiny import PYTHON, Tiny, add_tools, docker, family

from lockgen.core.lock import Package, ToolSet
from lockgen.lock.reader import parse_lock
from lockgen.manifest.reader import parse_manifest
from lockgen.outputs.generated_files import tree_of

VERSIONS = """\
[family]
name = "tiny"
registry = "{registry}"
python = "3.11"
build = ["ancient", "modern"]

[index.cu121]
url = "{url}/whl/cu121"
packages = ["torch"]

[variants.cuda]
index = "cu121"
from = "python:3.11-slim"
pins = {{ torch = "2.5.1+cu121" }}

[common]
packages = ["alpha", "torch"]

[bases.base]
env = {{ FAMILY = "{registry}" }}  # differs in each run, so no earlier build serves as a cache

[stages.old]
from = "base"
packages = ["ancient", "modern", "fakemodel"]
preload = ["fakemodel"]
"""

# A build that imports a listed package.
BACKEND = TINY_BACKEND.replace("BUILT_WITH = {version!r}", 'BUILT_WITH = " + repr(ORIGIN) + "').replace(
    "import os, zipfile",
    "import os, zipfile\ntry:\n    from torch import ORIGIN\nexcept ImportError:\n    ORIGIN = None  # while resolving",
)

# A program that fetches a model by the name of a package, which is neither locked nor routed.
FAKEMODEL = b"""
import os, pathlib, subprocess, sys

done = subprocess.run([sys.executable, "-m", "pip", "install", "torch"])
cache = pathlib.Path(os.environ["XDG_CACHE_HOME"])
cache.mkdir(parents=True, exist_ok=True)
(cache / "exit-code").write_text(str(done.returncode))
"""

PAGE = "/whl/cu121/torch/"


def torch(version: str, origin: str) -> tuple[str, bytes]:
    code = f"ORIGIN = {origin!r}\n"
    return wheel("torch", version, "cp311-cp311-linux_x86_64", metadata("torch", version, [], [], None), code)


def add_packages(index: LocalIndex) -> None:
    """The listed index has one torch; the default index has another one with the same version, and a newer one."""
    index.add("alpha", "1.0")
    index.add("fakemodel", "1.0", files={"fakemodel/__main__.py": FAKEMODEL})
    for version in ("1.0", "2.0"):
        text = metadata("tinybackend", version, [], [], None)
        name, data = wheel("tinybackend", version, "py3-none-any", text, BACKEND)
        index.add_file("tinybackend", name, data, text)
    index.add("ancient", "0.9", source=True, builds=["tinybackend<2"])
    index.add("modern", "1.0", source=True, builds=["tinybackend>=2"])
    for version in ("2.5.1+cu121", "99.0"):
        name, data = torch(version, "the default index")
        index.add_file("torch", name, data, metadata("torch", version, [], [], None))
    name, data = torch("2.5.1+cu121", "cu121")
    path = f"/whl/cu121/{name.replace('+', '%2B')}"
    link = f'<a href="{path}#sha256={hashlib.sha256(data).hexdigest()}">{name}</a><br>'
    index.answers[PAGE] = (200, {"Content-Type": "text/html"}, link.encode())
    index.answers[path] = (200, {}, data)


def with_torch_among_the_tools(made: Tiny) -> None:
    """Both sets of build tools in the lock get the family's torch, and every generated file is updated."""
    lock = parse_lock((made.root / "locks/lock.json").read_bytes(), "locks/lock.json")
    assert len(lock.more_tools) == 1
    [own] = [package for package in lock.packages if package.name == "torch"]
    tool = replace(own, variants=())

    def added(tools: tuple[Package, ...]) -> tuple[Package, ...]:
        others = [package for package in tools if package.name != "torch"]
        return tuple(sorted([*others, tool], key=lambda package: package.name))

    more = tuple(ToolSet(tools.builds, added(tools.packages)) for tools in lock.more_tools)
    manifest = parse_manifest((made.root / "versions.toml").read_bytes())
    for path, data in tree_of(manifest, replace(lock, tools=added(lock.tools), more_tools=more)).items():
        (made.root / path).write_bytes(data)
    made.ok("check")


@pytest.fixture(scope="module")
def routed(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    folder = tmp_path_factory.mktemp("routed")
    # Not on loopback: builds must reach it, and buildx 0.13 cannot give them the network of the machine.
    gateway = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    with serving(LocalIndex(), gateway) as index:
        add_tools(index)
        add_packages(index)
        with family(folder, index, VERSIONS) as made:
            with_torch_among_the_tools(made)
            yield made


@pytest.fixture(scope="module")
def base(routed: Tiny, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base image whose pip trusts the index without TLS, and uses it by default."""
    reference = f"{routed.registry}/trusting:1"
    host = routed.index.url.split("/")[2].partition(":")[0]
    folder = tmp_path_factory.mktemp("base")
    (folder / "Dockerfile").write_text(
        f"FROM {PYTHON}\nENV PIP_TRUSTED_HOST={host} PIP_INDEX_URL={routed.index.url} PIP_NO_CACHE_DIR=1\n"
    )
    docker("build", "--tag", reference, str(folder))
    return reference


def requested_names(index: LocalIndex, of: str) -> set[str]:
    """The canonical names of the pages that were requested from the index at ``of``."""
    tails = [path.removeprefix(of).split("/")[0] for path in index.asked if path.startswith(of)]
    return {canonicalize_name(tail) for tail in tails if not tail.endswith(".whl")}


def python(made: Tiny, image: str, code: str) -> str:
    return docker("run", "--rm", "--entrypoint", "python", made.reference(image, "cuda"), "-c", code)


def test_each_index_is_queried_only_for_its_own_packages(routed: Tiny, base: str) -> None:
    routed.index.asked.clear()
    routed.ok("build", "--base", f"cuda={base}")
    default = requested_names(routed.index, "/simple/")
    assert default == {"alpha", "ancient", "fakemodel", "modern", "tinybackend", "uv"}
    assert requested_names(routed.index, "/whl/cu121/") == {"torch"}
    assert not [path for path in routed.index.asked if path.startswith("/files/torch")]
    assert python(routed, "base", "import torch; print(torch.ORIGIN)") == "cu121"
    built = "import ancient, modern; print(ancient.BUILT_WITH, modern.BUILT_WITH)"
    assert python(routed, "old", built) == "cu121 cu121"
    preloaded = "import os, pathlib; print((pathlib.Path(os.environ['XDG_CACHE_HOME']) / 'exit-code').read_text())"
    assert python(routed, "old", preloaded) == "1", "pip refuses a package by name"


def test_a_wheelhouse_contains_the_listed_files(routed: Tiny, base: str) -> None:
    routed.index.asked.clear()
    where = routed.fetched()
    assert "torch" not in requested_names(routed.index, "/simple/")
    assert not [path for path in routed.index.asked if path.startswith("/files/torch")]
    routed.index.asked.clear()
    routed.lost().ok("build", "--base", f"cuda={base}", *where, "base")
    assert routed.index.asked == []
    assert python(routed, "base", "import torch; print(torch.ORIGIN)") == "cu121"
