"""The server for records, with real clients."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from html import unescape
from http.client import HTTPConnection

import pytest
from support.hand_server import metadata_of, sha256

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.errors import ToolFailed
from lockgen.index.core_metadata import metadata_text, parse_metadata
from lockgen.index.record_reader import parse_record
from lockgen.index.record_writer import RecordedFile, headers_of, render_record
from lockgen.index.server import RecordedIndexes, Served, serving
from lockgen.io.find_uv import find_uv
from lockgen.io.stopping import stoppable
from lockgen.io.uv import clean_environment

TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}"
NAME = f"torch-2.5.1+cu121-{TAG}-{TAG}-linux_x86_64.whl"
YANKED = f"torch-2.6.0+cu121-{TAG}-{TAG}-linux_x86_64.whl"
HASH = sha256(b"the wheel itself")


def index() -> ExplicitIndex:
    text = metadata_of("torch", "2.5.1+cu121", ["sympy==1.13.1"], Requires_Python=">=3.8", Summary="Tensors & more")
    files = [
        RecordedFile("torch", IndexFile(NAME, "", HASH, 780_000_000, ">=3.8"), headers_of(text)),
        RecordedFile(
            "torch", IndexFile(YANKED, "", "b" * 64, yanked="<broken>"), headers_of(metadata_of("torch", "2.6.0+cu121"))
        ),
    ]
    tree = render_record("cu121", "https://index.example/whl/cu121", files)
    return parse_record(lambda path: tree.get(path.removeprefix("rec/")), "rec", "cu121")


@pytest.fixture
def base() -> Iterator[str]:
    with serving(RecordedIndexes({"cu121": index()})) as (address, stopped):
        assert not stopped.is_set()
        yield address


def get(url: str, accept: str = "*/*", method: str = "GET") -> tuple[str, bytes]:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}, method=method)) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_json_is_served_on_request(base: str) -> None:
    kind, body = get(f"{base}/cu121/simple/torch/", "application/vnd.pypi.simple.v1+json, text/html;q=0.1")
    page = json.loads(body)
    assert (kind, page["meta"], page["name"]) == (
        "application/vnd.pypi.simple.v1+json",
        {"api-version": "1.1"},
        "torch",
    )
    first, second = page["files"]
    assert (first["filename"], first["hashes"], first["size"]) == (NAME, {"sha256": HASH}, 780_000_000)
    assert (first["requires-python"], "yanked" in first, second["yanked"]) == (">=3.8", False, "<broken>")


def test_html_is_the_default(base: str) -> None:
    kind, body = get(f"{base}/cu121/simple/Torch/", "text/html")
    text = body.decode()
    assert kind == "text/html; charset=utf-8"
    assert f"#sha256={HASH}" in text
    assert 'data-requires-python="&gt;=3.8"' in text
    assert 'data-yanked="&lt;broken&gt;"' in text


def test_metadata_has_the_hash_on_the_page(base: str) -> None:
    page = json.loads(get(f"{base}/cu121/simple/torch/", "application/json")[1])
    html = get(f"{base}/cu121/simple/torch/")[1].decode()
    for entry in page["files"]:
        text = get(f"{base}{entry['url']}.metadata")[1]
        assert hashlib.sha256(text).hexdigest() == entry["core-metadata"]["sha256"]
        assert f'data-core-metadata="sha256={entry["core-metadata"]["sha256"]}"' in html
        assert parse_metadata(text, entry["filename"]) == index().metadata[entry["filename"]]
    links = [unescape(link) for link in re.findall(r'href="([^"]+)"', html)]
    assert [link.partition("#")[0] for link in links] == [entry["url"] for entry in page["files"]]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/cu121/",
        "/cu121/simple/",
        "/cu121/simple/numpy/",
        "/cpu/simple/torch/",
        f"/cu121/files/{NAME}",
        "/cu121/files/evil-1.0-py3-none-any.whl.metadata",
        f"/cpu/files/{NAME}.metadata",
        "/cu121/files/..%2f..%2fversions.toml.metadata",
        "/cu121/simple/torch/more/",
    ],
)
def test_other_paths_are_not_found(path: str, base: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(base + path)
    assert caught.value.code == 404
    caught.value.close()


def answer(connection: HTTPConnection, path: str, method: str = "GET") -> tuple[int, str | None, bytes]:
    """Status, type and body, for a client that sends no Accept header."""
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    assert response.version == 11
    if method != "HEAD":
        assert response.headers["Content-Length"] == str(len(body))
    return response.status, response.headers["Content-Type"], body


def test_the_answers_on_one_connection(base: str, capfd: pytest.CaptureFixture[str]) -> None:
    connection = HTTPConnection(base.removeprefix("http://"))
    status, kind, page = answer(connection, "/cu121/simple/torch/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert answer(connection, "/cu121/simple/torch", "HEAD") == (200, kind, b"")
    status, kind, text = answer(connection, f"/cu121/files/{NAME}.metadata")
    assert (status, kind) == (200, "application/octet-stream")
    assert text == metadata_text(index().metadata[NAME])
    missing = [
        ("/", b"not found\n"),
        ("/cu121/simple/numpy/", b"no such project\n"),
        ("/cpu/simple/torch/", b"no such project\n"),
        ("/cu121/files/evil.metadata", b"no such file\n"),
        (f"/cu121/files/{NAME}", f"{NAME} is not here: this index has metadata only\n".encode()),
    ]
    for path, body in missing:
        assert answer(connection, path) == (404, "text/plain", body)
    connection.putrequest("GET", "/cu121/simple/torch/")
    connection.putheader("Accept", "application/vnd.pypi.simple.v1+json")
    connection.endheaders()
    response = connection.getresponse()
    assert (response.status, len(json.loads(response.read())["files"])) == (200, 2)
    connection.close()
    assert capfd.readouterr() == ("", "")
    assert page.count(b"<a ") == 2


class Unread:
    """A source whose metadata is only read on request; some of it cannot be read."""

    def page(self, index: str, project: str) -> Served | None:
        if project == "broken":
            raise ToolFailed("the p\u00e4ge is broken")
        files = tuple(IndexFile(f"{project}-{version}-py3-none-any.whl", "", None) for version in (1, 2))
        return Served(ProjectPage(project, files), hashed=project == "hashed")

    def metadata(self, index: str, name: str) -> bytes | None:
        return b"Metadata" if "-1-" in name else None


def test_pages_of_other_sources() -> None:
    with serving(Unread()) as (address, _):
        connection = HTTPConnection(address.removeprefix("http://"))
        # Not a status that pip would retry.
        assert answer(connection, "/a/simple/broken/") == (504, "text/plain", b"the p?ge is broken")
        assert answer(connection, "/a%20b/simple/plain/")[2].count(b'data-core-metadata="true"') == 2
        html = answer(connection, "/a%20b/simple/hashed/")[2].decode()
    # The server does not wait for a client that keeps its connection.
    connection.close()
    assert f'href="/a%20b/files/hashed-1-py3-none-any.whl" data-core-metadata="sha256={sha256(b"Metadata")}"' in html
    assert html.count("data-core-metadata") == 1


def test_a_port_that_is_in_use(base: str) -> None:
    port = int(base.rpartition(":")[2])
    with pytest.raises(ToolFailed) as raised, serving(Unread(), port=port):
        pass
    (fault,) = raised.value.faults
    assert fault.message == f"cannot listen on port {port} of 127.0.0.1: Address already in use"
    assert fault.hint == "choose another --port, or omit it to use any free port"
    with serving(Unread()) as (one, _), serving(Unread()) as (other, _):
        assert len({base, one, other}) == 3
    with serving(Unread(), port=int(one.rpartition(":")[2])) as (again, _):
        assert again == one


def fail_while_serving(error: type[BaseException], addresses: list[str]) -> None:
    with serving(Unread()) as (address, _):
        addresses.append(address)
        raise error


@pytest.mark.parametrize(("error", "is_stopped"), [(RuntimeError, False), (KeyboardInterrupt, True)])
def test_an_error_ends_the_server(error: type[BaseException], is_stopped: bool) -> None:
    """After Ctrl-C, no thread waits on: a request may wait for a build."""
    stopped = threading.Event()
    addresses: list[str] = []
    with pytest.raises(error), stoppable(stopped.set):
        fail_while_serving(error, addresses)
    assert stopped.is_set() is is_stopped
    with pytest.raises(urllib.error.URLError):
        get(f"{addresses[0]}/a/simple/plain/")


def test_head_has_no_body(base: str) -> None:
    kind, body = get(f"{base}/cu121/simple/torch/", method="HEAD")
    assert (kind, body) == ("text/html; charset=utf-8", b"")
    # Clients drop such a body, and read it as the next answer.
    host, _, port = base.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"HEAD /cu121/simple/torch/ HTTP/1.1\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: client.recv(4096), b""))
    assert text.startswith(b"HTTP/1.1 200 ")
    assert text.endswith(b"\r\n\r\n")


def test_the_server_is_on_loopback_and_stops() -> None:
    with serving(RecordedIndexes({"cu121": index()})) as (address, _):
        assert address.startswith("http://127.0.0.1:")
    with pytest.raises(urllib.error.URLError):
        get(f"{address}/cu121/simple/torch/")


def test_each_field_of_the_metadata_is_one_line() -> None:
    odd = CoreMetadata("torch", "2.5.1", ">=3.8", ("a\nRequires-Dist: evil", "b ; extra == 'x'"), ("x",))
    known = parse_metadata(metadata_text(odd), NAME)
    assert known.requires == ("a Requires-Dist: evil", "b ; extra == 'x'")
    assert (known.extras, known.requires_python) == (("x",), ">=3.8")


def test_uv_resolves_from_the_server(base: str) -> None:
    command = [find_uv(), "pip", "compile", "-", "--no-config", "--no-header", "--no-deps", "--generate-hashes"]
    command += ["--default-index", f"{base}/cu121/simple/", "--python", sys.executable, "--python-platform", "linux"]
    environment = clean_environment(os.environ)
    done = subprocess.run(command, input="torch==2.5.1+cu121\n", capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["torch==2.5.1+cu121", "\\", f"--hash=sha256:{HASH}"] + (
        ["#", "via", "-r", "-"] if "via" in done.stdout else []
    )


def test_uv_reads_the_requirements_from_the_server(base: str) -> None:
    command = [find_uv(), "pip", "compile", "-", "--no-config", "--default-index", f"{base}/cu121/simple/"]
    command += ["--python", sys.executable, "--python-platform", "linux"]
    environment = clean_environment(os.environ)
    done = subprocess.run(command, input="torch==2.5.1+cu121\n", capture_output=True, text=True, env=environment)
    assert done.returncode != 0
    assert "sympy was not found" in " ".join(done.stderr.split())


def test_pip_reads_the_metadata_and_checks_its_hash(base: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--isolated",
        "--no-cache-dir",
    ]
    command += ["--disable-pip-version-check", "--index-url", f"{base}/cu121/simple/", "--platform", "linux_x86_64"]
    command += ["--only-binary", ":all:", "--target", "unused", "torch"]
    done = subprocess.run(command, capture_output=True, text=True)
    # pip chose the version that is not yanked, read its metadata, and then requested its dependencies.
    assert "No matching distribution found for sympy==1.13.1" in done.stderr, done.stdout + done.stderr
    assert "Obtaining dependency information for torch==2.5.1+cu121" in done.stdout or ".whl.metadata" in done.stdout
