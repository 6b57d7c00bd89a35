"""Indexes that are not PyPI: static servers that answer with 403, and pages that list a file twice."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable

import pytest
from support.families import cpu_family
from support.hand_server import JSON, Answer, Asked, Hand, hand, ranged, simple_wheel
from support.index import LocalIndex
from support.project import Project

from lockgen.core.index import ProjectPage
from lockgen.errors import ToolFailed
from lockgen.index.page_reader import parse_page
from lockgen.index.simple_api import read_pages
from lockgen.io.http import Http

pytestmark = pytest.mark.usefixtures("own_caches")

WHEEL = "torch-2.5.1-py3-none-any.whl"
ONE, TWO = (hashlib.sha256(text).hexdigest() for text in (b"1", b"2"))


def page(*entries: dict[str, object]) -> bytes:
    files = [{"filename": WHEEL, "url": f"/{WHEEL}", **entry} for entry in entries]
    return json.dumps({"meta": {"api-version": "1.0"}, "files": files}).encode()


def static(*present: str) -> Hand:
    """A server as that of download.pytorch.org: 403 for a page that is not there."""

    def respond(asked: Asked) -> Answer:
        name = asked.path.strip("/").split("/")[-1]
        return Answer(200, page({}), {"Content-Type": JSON}) if name in present else Answer(403)

    return Hand(respond)


def pages_of(server: Hand, *names: str) -> list[ProjectPage]:
    return read_pages(Http(), f"{server.url}/simple", names)


def test_a_page_with_403_is_missing_where_another_is_there() -> None:
    with hand(static("torch").respond) as server:
        torch, other = pages_of(server, "torch", "triton")
    assert [file.name for file in torch.files] == [WHEEL]
    assert (other.project, other.files) == ("triton", ())


def test_an_index_that_answers_403_for_every_page_refuses_access() -> None:
    with hand(static().respond) as server, pytest.raises(ToolFailed, match="refuses access: HTTP 403"):
        pages_of(server, "torch", "triton")


def test_one_page_with_401_refuses_access() -> None:
    def respond(asked: Asked) -> Answer:
        return Answer(401) if "triton" in asked.path else Answer(200, page({}), {"Content-Type": JSON})

    with hand(respond) as server, pytest.raises(ToolFailed, match="refuses access: HTTP 401"):
        pages_of(server, "torch", "triton")


def hashes_of(*digests: str | None) -> list[str | None]:
    entries: list[dict[str, object]] = [{"hashes": {"sha256": digest} if digest else {}} for digest in digests]
    found = parse_page(page(*entries), JSON, "https://index.example/torch/", "torch")
    return [file.sha256 for file in found.files]


@pytest.mark.parametrize(
    ("listed", "kept"),
    [((ONE, ONE), ONE), ((ONE, TWO), None), ((None, ONE), ONE), ((ONE, None), ONE), ((None, None), None)],
)
def test_a_file_that_is_listed_twice(listed: tuple[str | None, ...], kept: str | None) -> None:
    """With two hashes, a client may get either file."""
    assert hashes_of(*listed) == [kept]


def test_a_third_entry_does_not_bring_a_hash_back() -> None:
    assert hashes_of(ONE, TWO, ONE) == [None]


FAMILY = cpu_family(
    "small",
    """\
[bases.base]
packages = ["six"]
""",
)


@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
@pytest.mark.parametrize(
    "url", ["file:///srv/simple", "FILE:///srv/simple", "/srv/simple", "./simple", "file:simple", "ftp://host/simple"]
)
def test_a_default_index_that_is_not_read_over_http(
    url: str, resolver: str, index: LocalIndex, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", url)
    monkeypatch.setenv("PIP_INDEX_URL", url)
    project.write(FAMILY)
    ran = project.run("resolve", "--resolver", resolver)
    assert ran.code == 2
    assert re.search(r"the default index \S+ is not an HTTP URL: ", ran.err)
    assert "python -m http.server" in ran.err
    assert index.asked == []


def test_a_default_index_that_is_not_read_over_http_is_shown_without_its_password(
    index: LocalIndex, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "git+https://mira:s3cr@host/simple")
    project.write(FAMILY)
    ran = project.run("resolve")
    assert (ran.code, "the default index git+https://host/simple is not" in ran.err) == (2, True)
    assert "UV_DEFAULT_INDEX sets it" in ran.err
    assert "s3cr" not in ran.err


@pytest.mark.parametrize(
    "url",
    [
        "file:///srv/simple",
        "FILE:///srv/simple",
        "File:simple",
        "./simple",
        "../simple",
        "/srv/simple",
        "ftp://host/simple",
        "git+https://host/simple",
        "host/simple",
        "//host/simple",
        "https:host/simple",
        "https:///simple",
        "s3://bucket/simple",
        "https://host/simple#x",
        "https://host/simple?x",
        "",
    ],
)
def test_a_url_of_an_index_that_is_not_read_over_http(url: str, project: Project) -> None:
    index = f'\n[index.cu121]\nurl = "{url}"\npackages = ["torch"]\n'
    project.write(FAMILY.replace("\n[variants.cpu]\n", f'{index}\n[variants.cpu]\nindex = "cu121"\n'))
    for command in ("check", "resolve"):
        ran = project.run(command)
        assert ran.code == 2, ran.err
        assert "versions.toml:6:1 (index.cu121.url)" in ran.err


# -- what a page lists ------------------------------------------------------------------

LISTED = FAMILY.replace('packages = ["six"]', 'packages = ["foo-bar"]').replace(
    "[variants.cpu]\n", '[index.own]\nurl = "{url}/simple"\npackages = ["foo-bar"]\n\n[variants.cpu]\nindex = "own"\n'
)
CAPITALS, PLAIN = "Foo_Bar-1.0-py3-none-any.whl", "foo_bar-1.0-py3-none-any.whl"
WHEELS = {name: simple_wheel(name, Summary=name) for name in (CAPITALS, PLAIN)}
DIGESTS = {name: hashlib.sha256(data).hexdigest() for name, data in WHEELS.items()}


def link(name: str, digest: str | None = None, folder: str = "/files/") -> str:
    return f'<a href="{folder}{name}{f"#sha256={digest}" if digest else ""}">{name}</a>\n'


def listing(text: str) -> Callable[[Asked], Answer]:
    """A server with one page of foo-bar and the files in /files/."""

    def respond(asked: Asked) -> Answer:
        if asked.path == "/simple/foo-bar/":
            return Answer(200, text.encode(), {"Content-Type": "text/html"})
        name = asked.path.removeprefix("/files/")
        return ranged(WHEELS[name], asked) if name in WHEELS else Answer(404)

    return respond


def locked_files(project: Project, text: str, resolver: str) -> list[tuple[str, str]]:
    with hand(listing(text)) as server:
        project.write(LISTED.format(url=server.url))
        project.ok("resolve", "--resolver", resolver)
        project.ok("audit", "--files")
        project.ok("fetch", str(project.root.parent / "wheels"))
    (package,) = json.loads(project.tree["locks/lock.json"])["packages"]
    return [(file["name"], file["sha256"]) for file in package["files"]]


PAGES = {
    "twice": link(PLAIN, DIGESTS[PLAIN]) * 2,
    "twice, one without a hash": link(PLAIN) + link(PLAIN, DIGESTS[PLAIN]),
    "a base": f'<base href="/files/x/">{link(PLAIN, DIGESTS[PLAIN], "../")}',
    "relative": link(PLAIN, DIGESTS[PLAIN], "../../files/"),
}


@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
@pytest.mark.parametrize("page", PAGES)
def test_a_file_is_locked_once(page: str, resolver: str, project: Project, index: LocalIndex) -> None:
    assert locked_files(project, PAGES[page], resolver) == [(PLAIN, DIGESTS[PLAIN])]


@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
def test_a_version_under_two_spellings_of_its_name(resolver: str, project: Project, index: LocalIndex) -> None:
    """Both files are installable, and only a hash in the lock may be installed."""
    page = link(CAPITALS, DIGESTS[CAPITALS]) + link(PLAIN, DIGESTS[PLAIN])
    found = locked_files(project, page, resolver)
    assert found
    assert set(found) <= set(DIGESTS.items())
    assert found == locked_files(project, page, "uv")


@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
def test_a_file_with_two_hashes_is_left_out_with_the_reason(resolver: str, project: Project, index: LocalIndex) -> None:
    page = link(PLAIN, DIGESTS[PLAIN]) + link(PLAIN, DIGESTS[CAPITALS]) + link(CAPITALS, DIGESTS[CAPITALS])
    with hand(listing(page)) as server:
        project.write(LISTED.format(url=server.url))
        ran = project.ok("resolve", "--resolver", resolver)
    assert f"index own: {PLAIN} is left out: the index lists it with different hashes" in ran.err
    (package,) = json.loads(project.tree["locks/lock.json"])["packages"]
    assert [file["name"] for file in package["files"]] == [CAPITALS]


def test_a_record_reports_a_file_with_two_hashes(project: Project, index: LocalIndex) -> None:
    page = link(PLAIN, DIGESTS[PLAIN]) + link(PLAIN, DIGESTS[CAPITALS]) + link(CAPITALS, DIGESTS[CAPITALS])
    with hand(listing(page)) as server:
        text = LISTED.format(url=server.url)
        project.write(text.replace('/simple"\n', '/simple"\nrecorded = "locks/index/own"\n'))
        ran = project.run("index", "record", "own")
    assert (ran.code, ", 1 missing, " in ran.out) == (4, True)
    assert f"missing: {PLAIN}: the index lists it with different hashes" in ran.err


@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
def test_files_on_another_host(resolver: str, project: Project, index: LocalIndex) -> None:
    with hand(listing("")) as files:
        page = link(PLAIN, DIGESTS[PLAIN], f"http://localhost:{files.port}/files/")
        assert locked_files(project, page, resolver) == [(PLAIN, DIGESTS[PLAIN])]
        assert all("authorization" not in asked.headers for asked in files.asked)
        assert files.asked
