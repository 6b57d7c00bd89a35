"""`compat --install` gets packages of indexes that need credentials, and the code that it runs cannot see these."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.guarded import Guarded, basic
from support.hand_server import Hand, Shelf, hand, sha256
from support.index import TINY_BACKEND, LocalIndex, metadata, wheel
from support.project import Project, Ran

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.core.resolution import Request
from lockgen.core.target import Target
from lockgen.core.urls import Login
from lockgen.index.artifacts import ArtifactReader
from lockgen.index.explicit_files import download_url
from lockgen.io.http import Http

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the target is Linux")

PASSWORDS = {"one": "s3cr/t&one", "two": "s3cr@t:two"}
ESCAPED = {"one": "s3cr%2Ft%26one", "two": "s3cr%40t%3Atwo"}
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
CODE = """\
import glob, os
seen = repr(dict(os.environ)) + os.getcwd()
for path in glob.glob(os.path.join(os.path.dirname(__file__), "../*.dist-info/*")):
    seen += open(path, errors="replace").read()
assert "s3" + "cr" not in seen, "credentials"
assert "UV_" not in seen, "settings of uv"
"""
VERSIONS = """\
[family]
name = "small"
python = "{python}"

[index.one]
url = "{one}"
packages = ["torch"]

[index.two]
url = "{two}"
packages = ["torchvision"]

[variants.first]
index = "one"
from = "python:{python}-slim"

[variants.second]
index = "two"
from = "python:{python}-slim"

[bases.base]

[stages.asr]
from = "base"
variants = ["first"]
packages = ["torch"]

[stages.see]
from = "base"
variants = ["second"]
packages = ["torchvision"]

[compat]
python = ["{python}"]
"""


def built(name: str, version: str) -> tuple[str, bytes]:
    return wheel(name, version, "py3-none-any", metadata(name, version, [], [], None), CODE)


@pytest.fixture
def guarded(index: LocalIndex) -> Guarded:
    shelves = {
        "one": Shelf(dict([built("torch", "2.5.1")])),
        "two": Shelf(dict([built("torchvision", "0.20.1")])),
    }
    return Guarded(shelves, {name: basic(name, password) for name, password in PASSWORDS.items()})


@pytest.fixture
def server(guarded: Guarded) -> Iterator[Hand]:
    with hand(guarded.respond) as running:
        yield running


def installed(project: Project) -> tuple[Ran, dict[str, dict[str, object]]]:
    ran = project.ok("compat", "--install", "--json", "--no-cache")
    results = [result for cell in json.loads(ran.out)["cells"] for result in cell["results"]]
    return ran, {result["group"]: result["installed"] for result in results}


@pytest.mark.parametrize("source", ["url", "environment"])
def test_indexes_of_one_host_have_their_own(
    source: str, server: Hand, guarded: Guarded, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {}
    for name in ("one", "two"):
        info = f"{name}:{ESCAPED[name]}@" if source == "url" else ""
        urls[name] = f"http://{info}127.0.0.1:{server.port}/{name}/simple"
        if source == "environment":
            monkeypatch.setenv(f"UV_INDEX_{name.upper()}_USERNAME", name)
            monkeypatch.setenv(f"UV_INDEX_{name.upper()}_PASSWORD", PASSWORDS[name])
    project.write(VERSIONS.format(python=PYTHON, **urls))
    ran, results = installed(project)
    assert {group: result["status"] for group, result in results.items()} == {
        "base:first": "yes",
        "base:second": "yes",
    }, ran.err
    assert guarded.refused == []
    assert "s3cr" not in ran.out + ran.err
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "versions.toml"]
    assert not [path for path in kept if b"s3cr" in path.read_bytes()]
    # Basic authentication, as the servers get it.
    tokens = [base64.b64encode(f"{name}:{password}".encode()) for name, password in PASSWORDS.items()]
    assert not [path for path in kept if any(token in path.read_bytes() for token in tokens)]


def test_wrong_credentials_are_reported_without_a_password(
    server: Hand, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {name: f"http://127.0.0.1:{server.port}/{name}/simple" for name in ("one", "two")}
    text = VERSIONS.format(python=PYTHON, **urls)
    # Without a record, the wrong password would stop the command.
    text = text.replace('/one/simple"\n', '/one/simple"\nrecorded = "locks/index/one"\n')
    for name in ("one", "two"):
        monkeypatch.setenv(f"UV_INDEX_{name.upper()}_USERNAME", name)
        monkeypatch.setenv(f"UV_INDEX_{name.upper()}_PASSWORD", PASSWORDS[name])
    project.write(text)
    project.ok("index", "record", "one")
    monkeypatch.setenv("UV_INDEX_ONE_PASSWORD", "wr0ng/s3cr")
    ran, results = installed(project)
    assert results["base:first"]["status"] == "unknown"
    assert "401" in str(results["base:first"]["reason"])
    assert results["base:second"]["status"] == "yes", ran.err
    for secret in ("wr0ng", "s3cr"):
        assert secret not in ran.out + ran.err


def test_builds_use_them_too(server: Hand, guarded: Guarded, index: LocalIndex) -> None:
    """A source distribution requires torch to build, which only the guarded index has."""
    backend = TINY_BACKEND.format(version="1.0").replace("import os, zipfile", "import os, zipfile, torch", 1)
    text = metadata("tinybackend", "1.0", [], [], None)
    name, data = wheel("tinybackend", "1.0", "py3-none-any", text, backend)
    index.add_file("tinybackend", name, data, text)
    name = index.add("srcpkg", "1.0", source=True, builds=["tinybackend", "torch"])
    source = IndexFile(name, index.url.removesuffix("simple") + f"files/{name}", index.sha256(name))
    torch, data = wheel("torch", "2.5.1", "py3-none-any", metadata("torch", "2.5.1", [], [], None), "")
    guarded.shelves["one"].files[torch] = data
    url = f"http://127.0.0.1:{server.port}/one"
    file = IndexFile(torch, f"{url}/files/{torch}", sha256(data))
    listed = ExplicitIndex(
        "one",
        f"{url}/simple",
        {"torch": ProjectPage("torch", (file,))},
        {file.name: CoreMetadata("torch", "2.5.1")},
        login=Login("one", PASSWORDS["one"]),
    )
    target = Target(PYTHON, "linux/amd64", "2.28")
    request = Request("small", target, (), (), {"torch": "one"}, {"one": listed}, {}, frozenset({"srcpkg"}), None)
    assert "srcpkg.py" in ArtifactReader(Http()).members(source, request)
    assert guarded.refused == []


def test_files_on_another_origin_get_none() -> None:
    listed = ExplicitIndex("one", "https://one.example/simple", {}, {}, login=Login("mira", "s3cr"))
    urls = {
        "https://one.example/files/x.whl": "https://mira:s3cr@one.example/files/x.whl",
        "https://one.example:8443/files/x.whl": "https://one.example:8443/files/x.whl",
        "http://one.example/files/x.whl": "http://one.example/files/x.whl",
        "https://files.example/x.whl": "https://files.example/x.whl",
        "https://own:login@one.example/x.whl": "https://own:login@one.example/x.whl",
    }
    for url, expected in urls.items():
        assert download_url(IndexFile("x.whl", url, "a" * 64), listed) == expected
    assert "s3cr" not in repr(listed)
