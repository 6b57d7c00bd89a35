"""A tiny family on a real engine: wheels of a few kB, a torch with a `+cu121` version, a local index, a registry."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.index import LocalIndex, serving
from support.tools import real_uv

PYTHON = "python:3.11-slim"
REGISTRY = "localhost:5000"

VERSIONS = """\
[family]
name = "tiny"
registry = "{registry}"
python = "3.11"
build = ["ancient"]

[index.cu121]
url = "{url}/whl/cu121"
packages = ["torch"]

[variants.cuda]
index = "cu121"
from = "python:3.11-slim"
pins = {{ torch = "2.5.1+cu121" }}

[variants.cpu]
from = "python:3.11-slim"

[pins]
alpha = "1.0"
gamma = "1.0"

[common]
packages = ["alpha"]

[budgets]
max-image = "1 GB"  # so that wheels are built for their sizes

[bases.base]
folders = ["in", "out"]
env = {{ PYTHONPATH = "/app:/app/shared", FAMILY = "{registry}" }}  # unique, so that no earlier build is its cache

[bases.ml]
from = "base"
variants = ["cuda"]
packages = ["torch"]

[stages.asr]
from = "ml"
packages = ["speech"]
copy = ["shared"]
entrypoint = "asr.py"

[stages.demux]
from = "base"
variants = ["cpu"]
packages = ["gamma"]
entrypoint = "demux.py"

[stages.old]
from = "base"
variants = ["cpu"]
packages = ["ancient"]
entrypoint = "old.py"
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Tiny:
    """The family's folder, its index, and lockgen run in it as a person would."""

    root: Path
    index: LocalIndex
    env: Mapping[str, str]
    registry: str

    def run(self, *arguments: str) -> Done:
        command = [sys.executable, "-m", "lockgen", *arguments]
        done = subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=600)
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str) -> Done:
        done = self.run(*arguments)
        assert done.code == 0, done.err + done.out
        return done

    def lost(self) -> Tiny:
        """The same family where nothing listens at the index's address."""
        with socket.create_server(("127.0.0.1", 0)) as found:
            closed = f"http://127.0.0.1:{found.getsockname()[1]}/simple"
        env = {**self.env, "UV_DEFAULT_INDEX": closed, "PIP_INDEX_URL": closed}
        return Tiny(self.root, self.index, env, self.registry)

    @property
    def wheelhouse(self) -> Path:
        return self.root.parent / "wheelhouse"

    def fetched(self) -> tuple[str, str]:
        """A fresh wheelhouse: an engine's container cannot reach what listens on this machine's loopback."""
        self.ok("fetch", str(self.wheelhouse))
        return "--wheelhouse", str(self.wheelhouse)

    def build(self, *arguments: str) -> dict[str, dict[str, Any]]:
        rows = self.ok("build", "--json", *self.fetched(), *arguments).json["images"]
        return {row["image"]: row for row in rows}

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert text.count(old) == 1
        (self.root / path).write_text(text.replace(old, new))

    def reference(self, image: str, variant: str) -> str:
        return f"{self.registry}/tiny-{image}:{variant}"


def docker(*arguments: str, ok: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 or not ok, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="session")
def engine() -> None:
    """A real engine with the base image; without one these tests say so, and `.ci/run` starts one."""
    try:
        found = subprocess.run(["docker", "image", "inspect", PYTHON], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("docker is not installed; .ci/engine-up starts an engine on Debian 12")
    if found.returncode:
        pytest.skip(f"no engine with {PYTHON} answers here ({found.stderr.strip()}); .ci/engine-up starts one")


def add_torch(index: LocalIndex, version: str) -> None:
    """torch on the CUDA index only: a page with its wheels, and nothing of it on the default index."""
    name = index.add("torch", version, tag="cp311-cp311-linux_x86_64")
    index.pages.pop("torch")
    path = name.replace("+", "%2B")
    link = f'<a href="/files/{path}#sha256={index.sha256(name)}">{name}</a><br>'
    known = index.answers.get("/whl/cu121/torch/", (200, {}, b""))[2]
    index.answers["/whl/cu121/torch/"] = (200, {"Content-Type": "text/html"}, known + link.encode())


def add_tools(index: LocalIndex) -> None:
    """What installs in every image."""
    version, name, data = real_uv()
    index.add_file("uv", name, data, f"Metadata-Version: 2.1\nName: uv\nVersion: {version}\n")


def own_registry(folder: Path) -> str:
    """A path in the registry that no other family has: one for each folder."""
    return f"{REGISTRY}/t{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


@contextmanager
def family(folder: Path, index: LocalIndex, text: str) -> Iterator[Tiny]:
    """The family in ``text``, resolved and committed, in ``folder`` and with a unique registry path."""
    root = folder / "project"
    (root / "shared").mkdir(parents=True)
    (root / "shared" / "tools.py").write_text("ANSWER = 42\n")
    registry = own_registry(folder)
    (root / "versions.toml").write_text(text.format(url=index.url.removesuffix("/simple"), registry=registry))
    env = {
        **os.environ,
        "CI": "1",
        "UV_DEFAULT_INDEX": index.url,
        "PIP_INDEX_URL": index.url,
        **{f"{name}_CACHE_DIR": str(folder / name) for name in ("UV", "PIP", "LOCKGEN")},
    }
    made = Tiny(root, index, env, registry)
    made.ok("resolve")
    made.git("init", "-q", "-b", "main")
    (root / ".gitignore").write_text(".lockgen/\n")
    made.git("add", "-A")
    made.git("commit", "-qm", "the family")
    try:
        yield made
    finally:
        held = docker("images", "--format", "{{.Repository}}:{{.Tag}}", f"{registry}/*").split()
        docker("rmi", "-f", *held, ok=False)


def add_tiny_packages(index: LocalIndex) -> None:
    index.add("alpha", "1.0")
    index.add("gamma", "1.0")
    index.add("gamma", "2.0")
    index.add("speech", "1.0", ["alpha", "torch>=2"])
    index.add("ancient", "0.9", source=True)
    add_torch(index, "2.5.1+cu121")


@contextmanager
def living(folder: Path, versions: str, add: Callable[[LocalIndex], None]) -> Iterator[Tiny]:
    """The family of ``versions`` with a separate index, which ``add`` fills."""
    with serving(LocalIndex()) as index:
        add_tools(index)
        add(index)
        with family(folder, index, versions) as made:
            yield made


@pytest.fixture(scope="module")
def tiny(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    """The family that most tests here build."""
    with living(tmp_path_factory.mktemp("tiny"), VERSIONS, add_tiny_packages) as made:
        yield made
