"""Credentials of listed indexes: all commands read them alike, send them to no other host, and show them nowhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.guarded import Guarded, basic
from support.hand_server import Answer, Asked, Hand, Shelf, hand, simple_wheel
from support.index import LocalIndex
from support.project import Project, Ran

from lockgen.core.urls import credential_variables
from lockgen.errors import ToolFailed
from lockgen.index.simple_api import read_page
from lockgen.io.http import Http

USER, PASSWORD = "mira", "s3cr/t&päss"
ESCAPED = "s3cr%2Ft%26p%C3%A4ss"
TORCH, VISION = "torch-2.5.1+one-py3-none-any.whl", "torchvision-0.20.1-py3-none-any.whl"


VERSIONS = """\
[family]
name = "small"
python = "3.11"

[index.my-one]
url = "{one}"
packages = ["torch"]
{more}
[variants.cpu]
index = "my-one"
from = "python:3.11-slim"

[bases.base]

[stages.asr]
from = "base"
packages = ["torch"]
"""


@dataclass
class Setting:
    project: Project
    server: Hand
    guarded: Guarded

    def url(self, name: str = "one", userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.server.port}/{name}/simple"


@pytest.fixture
def setting(project: Project, index: LocalIndex) -> Iterator[Setting]:
    shelves = {
        "one": Shelf({TORCH: simple_wheel(TORCH)}),
        "two": Shelf({VISION: simple_wheel(VISION)}),
    }
    logins = {"one": basic(USER, PASSWORD), "two": basic("tom", "other")}
    guarded = Guarded(shelves, logins)
    with hand(guarded.respond) as server:
        yield Setting(project, server, guarded)


def give(setting: Setting, source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Give the credentials of index my-one by ``source``; return what versions.toml has as its URL."""
    if source == "url":
        return setting.url(userinfo=f"{USER}:{ESCAPED}@")
    if source == "netrc":
        (tmp_path / "netrc").write_text(f'machine 127.0.0.1 login {USER} password "{PASSWORD}"\n')
    else:
        monkeypatch.setenv("UV_INDEX_MY_ONE_USERNAME", USER)
        monkeypatch.setenv("UV_INDEX_MY_ONE_PASSWORD", PASSWORD)
    return setting.url()


def shows_nothing(ran: Ran) -> None:
    for secret in (PASSWORD, ESCAPED, "s3cr"):
        assert secret not in ran.out + ran.err


@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
@pytest.mark.parametrize("source", ["url", "netrc", "environment"])
def test_every_command_uses_them(
    source: str, resolver: str, setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = setting.project
    if source == "netrc":
        # requests encodes what it reads in netrc as latin-1.
        setting.guarded.logins["one"] = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode("latin-1")).decode()
    url = give(setting, source, monkeypatch, tmp_path)
    project.write(VERSIONS.format(one=url, more=""))
    (project.root / "stages/asr").mkdir(parents=True)
    runs = [project.ok("resolve", "--resolver", resolver)]
    (project.root / "stages/asr/main.py").write_text("import torch\n")
    runs.append(project.ok("lint"))
    runs.append(project.ok("fetch", str(tmp_path / "wheels")))
    runs.append(project.ok("audit", "--files"))
    # This changes the inputs of the lock.
    project.write(VERSIONS.format(one=url, more='recorded = "locks/index/one"\n'))
    runs.append(project.ok("index", "record", "my-one"))
    runs.append(project.ok("resolve", "--resolver", resolver))
    strict = project.run("check", "--strict")
    assert ("[index.my-one] contains a password" in strict.err) is (source == "url")
    assert ("UV_INDEX_MY_ONE_USERNAME and UV_INDEX_MY_ONE_PASSWORD" in strict.err) is (source == "url")
    runs.append(strict)
    for ran in runs:
        shows_nothing(ran)
    assert list((tmp_path / "wheels/files").rglob("*.whl"))
    files = {path: data for path, data in project.tree.items() if path != "versions.toml"}
    assert not [path for path, data in files.items() if b"s3cr" in data or USER.encode() in data]
    assert setting.guarded.refused == []


@pytest.mark.parametrize("commands", [["fetch"], ["index", "record", "my-one"], ["audit", "--files"]])
def test_a_refusal_names_the_variables(
    commands: list[str], setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = setting.project
    give(setting, "environment", monkeypatch, tmp_path)
    project.write(VERSIONS.format(one=setting.url(), more='recorded = "locks/index/one"\n'))
    project.ok("index", "record", "my-one")
    project.ok("resolve")
    monkeypatch.setenv("UV_INDEX_MY_ONE_PASSWORD", "wr0ng")
    folder = [str(tmp_path / "wheels")] if commands == ["fetch"] else []
    ran = project.run(*commands, *folder)
    assert ran.code == 4, ran.out
    assert "refuses access: HTTP 401" in ran.err
    assert "set UV_INDEX_MY_ONE_USERNAME and UV_INDEX_MY_ONE_PASSWORD" in ran.err
    assert "~/.netrc" in ran.err
    assert "wr0ng" not in ran.err


TWO = """
[index.two]
url = "{url}"
packages = ["torchvision"]

[variants.second]
index = "two"
from = "python:3.11-slim"
"""


@pytest.mark.parametrize("source", ["url", "environment"])
def test_indexes_of_one_host_have_their_own(
    source: str, setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, index: LocalIndex
) -> None:
    url = give(setting, source, monkeypatch, tmp_path)
    two = setting.url("two")
    if source == "url":
        two = setting.url("two", "tom:other@")
    else:
        monkeypatch.setenv("UV_INDEX_TWO_USERNAME", "tom")
        monkeypatch.setenv("UV_INDEX_TWO_PASSWORD", "other")
    text = VERSIONS.format(one=url, more="") + TWO.format(url=two)
    text = text.replace('packages = ["torch"]\n\n[index', 'variants = ["cpu"]\npackages = ["torch"]\n\n[index')
    project = setting.project
    project.write(text + '\n[stages.see]\nfrom = "base"\nvariants = ["second"]\npackages = ["torchvision"]\n')
    project.ok("resolve")
    project.ok("fetch", str(tmp_path / "wheels"))
    project.ok("audit", "--files")
    assert setting.guarded.refused == []
    assert {path.name for path in (tmp_path / "wheels/files").rglob("torch*.whl")} == {TORCH, VISION}


def test_files_outside_of_the_folder_of_their_index_get_the_right_ones() -> None:
    """Both candidates are tried: the path of such a file does not show its index."""

    def respond(asked: Asked) -> Answer:
        return Answer(200, b"x") if asked.headers.get("authorization") == basic("b", "2") else Answer(401)

    with hand(respond) as server:
        client = Http()
        client.add_index(server.url.replace("://", "://a:1@") + "/a/simple")
        client.add_index(server.url.replace("://", "://b:2@") + "/b/simple")
        assert client.get(f"{server.url}/files/x").body == b"x"
        with client.opened(f"{server.url}/files/y") as answer:
            assert (answer.status, answer.body.read()) == (200, b"x")
        assert client.get(f"{server.url}/b/files/x").body == b"x"
    sent = [asked.headers["authorization"] for asked in server.asked]
    assert sent == [basic("a", "1"), basic("b", "2")] * 2 + [basic("b", "2")]


def test_an_index_without_credentials_on_the_host_of_one_with_some(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login net password rc\n")
    with hand(lambda asked: Answer(404)) as server:
        client = Http()
        client.add_index(server.url.replace("://", "://a:1@") + "/private/simple", "private")
        read_page(client, f"{server.url}/public/simple", "torch")
        read_page(client, f"{server.url}/private/simple", "torch")
    pages = [asked for asked in server.asked if asked.path.endswith("/torch/")]
    assert [asked.headers["authorization"] for asked in pages] == [basic("net", "rc"), basic("a", "1")]


def test_a_page_that_moved_to_another_host_gets_none() -> None:
    def respond(asked: Asked) -> Answer:
        if asked.path.startswith("/simple/"):
            return Answer(302, headers={"Location": f"http://localhost:{server.port}/moved/"})
        return Answer(200, f'<a href="{TORCH}#sha256={"ab" * 32}">x</a>'.encode(), {"Content-Type": "text/html"})

    with hand(respond) as server:
        client = Http()
        page = read_page(client, server.url.replace("://", "://a:1@") + "/simple", "torch")
        assert page.files[0].url == f"http://localhost:{server.port}/moved/{TORCH}"
        client.get(page.files[0].url)
    assert [asked.headers.get("authorization") for asked in server.asked] == [basic("a", "1"), None, None]


def test_files_on_another_host_get_none() -> None:
    def respond(asked: Asked) -> Answer:
        return Answer(
            200, f'<a href="http://localhost:{server.port}/{TORCH}">x</a>'.encode(), {"Content-Type": "text/html"}
        )

    with hand(respond) as server:
        client = Http()
        page = read_page(client, server.url.replace("://", "://a:1@") + "/simple", "torch")
        client.get(page.files[0].url)
    assert [asked.headers.get("authorization") for asked in server.asked] == [basic("a", "1"), None]


def test_a_link_cannot_replace_the_credentials_of_an_index() -> None:
    with hand(lambda asked: Answer(200)) as server:
        client = Http()
        client.add_index(server.url.replace("://", "://a:1@") + "/simple")
        client.get(server.url.replace("://", "://evil:2@") + "/simple/x")
    assert [asked.headers["authorization"] for asked in server.asked] == [basic("a", "1")]


def test_a_refusal_without_a_named_index_points_to_netrc() -> None:
    with hand(lambda asked: Answer(403)) as server, pytest.raises(ToolFailed) as caught:
        Http().get(server.url)
    assert "~/.netrc" in str(caught.value.faults[0].hint)


@pytest.mark.parametrize(
    ("name", "stem"), [("cu121", "CU121"), ("my-index.v2", "MY_INDEX_V2"), ("a_b", "A_B"), ("torch+x", "TORCH_X")]
)
def test_the_names_of_the_variables_are_those_of_uv(name: str, stem: str) -> None:
    assert credential_variables(name) == (f"UV_INDEX_{stem}_USERNAME", f"UV_INDEX_{stem}_PASSWORD")


@pytest.mark.parametrize(
    "url",
    [
        "https://mira:s3cr t@host/simple",
        "ftp://mira:s3cr@host/simple",
        "mira:s3cr@host/simple",
        "https://mira:s3cr@host/simple?x=1",
        "https://mira:s3cr@host:99999/simple",
        "https://mira:s3cr@[x/simple",
        "https://mira:s3cr@/simple",
        "https://mira:s3cr\\u0000@host/simple",
        "https://mira:s/3cr\\u200b@host/simple",
    ],
)
def test_a_refused_url_is_shown_without_its_password(url: str, project: Project) -> None:
    project.write(VERSIONS.format(one=url, more=""))
    for command in ("check", "resolve"):
        ran = project.run(command)
        assert (ran.code, "versions.toml:6:1 (index.my-one.url)" in ran.err) == (2, True), ran.err
        for secret in ("s3cr", "3cr", "mira"):
            assert secret not in ran.err + ran.out
