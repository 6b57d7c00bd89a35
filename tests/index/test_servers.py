"""One contract for a listed index on every server that people use, with both resolvers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.hand_server import Answer, Asked, hand, sha256, simple_wheel
from support.index import LocalIndex
from support.index_servers import (
    devpi,
    install_devpi,
    pypiserver,
    simple_repository,
    static_folder,
    write_tree,
)
from support.project import Project

TORCH, LATER, OTHER = (f"torch-{version}-py3-none-any.whl" for version in ("2.5.1+cu121", "2.7.0+cu121", "2.4.0+cu121"))
AUDIO = "torch_audio-2.5.1-py3-none-any.whl"
WHEELS = {
    TORCH: simple_wheel(TORCH, ["filelock"], Requires_Python=">=3.8"),
    LATER: simple_wheel(LATER, ["filelock"], Requires_Python=">=3.13"),
    OTHER: simple_wheel(OTHER, ["filelock"]),
    AUDIO: simple_wheel(AUDIO, ["torch==2.5.1"]),
}

VERSIONS = """\
[family]
name = "small"
python = "3.11"

[index.cu121]
url = "{url}"
packages = ["torch", "torch-audio"]
{more}
[variants.cuda]
index = "cu121"
from = "python:3.11-slim"

[bases.base]

[stages.asr]
from = "base"
packages = ["Torch_Audio"]
entrypoint = "asr.py"
"""

Server = Callable[[Path], AbstractContextManager[str]]


def shelve(folder: Path) -> Path:
    folder.mkdir()
    for name, data in WHEELS.items():
        (folder / name).write_bytes(data)
    return folder


@contextmanager
def on_pypiserver(folder: Path) -> Iterator[str]:
    """HTML with hashes, and neither Requires-Python nor METADATA."""
    with pypiserver(shelve(folder / "wheels")) as (url, _):
        yield url


@contextmanager
def on_simple_repository(folder: Path) -> Iterator[str]:
    """JSON, with METADATA next to each wheel but without its hash."""
    with on_pypiserver(folder) as behind, simple_repository(f"{behind}/", folder / "simple-repository.log") as url:
        yield url


@contextmanager
def on_a_static_folder(folder: Path) -> Iterator[str]:
    """HTML with all attributes of PEP 503, 592 and 658."""
    attributes = dict.fromkeys(WHEELS, 'data-core-metadata="true"')
    attributes[LATER] += ' data-requires-python="&gt;=3.13"'
    attributes[OTHER] += ' data-yanked="broken"'
    root = folder / "static"
    write_tree(root / "simple", WHEELS, attributes)
    requires = {TORCH: ["filelock"], LATER: ["filelock"], OTHER: ["filelock"], AUDIO: ["torch==2.5.1"]}
    for name, lines in requires.items():
        project = name.split("-")[0].replace("_", "-")
        version = name.split("-")[1]
        text = "".join(f"Requires-Dist: {line}\n" for line in lines)
        head = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
        (root / "simple" / project / f"{name}.metadata").write_text(head + text)
    with static_folder(root) as url:
        yield f"{url}/simple"


@pytest.fixture(scope="session")
def devpi_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JSON with hashes and Requires-Python; files are in folders of their hash."""
    folder = tmp_path_factory.mktemp("devpi")
    with devpi(install_devpi(folder / "venv"), folder / "state", WHEELS) as url:
        yield url


SERVERS: dict[str, Server] = {
    "pypiserver": on_pypiserver,
    "simple-repository-server": on_simple_repository,
    "static folder": on_a_static_folder,
}


@pytest.fixture(params=[*SERVERS, pytest.param("devpi", marks=[pytest.mark.network, pytest.mark.slow])])
def url(request: pytest.FixtureRequest, tmp_path: Path, index: LocalIndex) -> Iterator[str]:
    index.add("filelock", "3.0")
    # Neither resolver may take it from the default index.
    index.add("torch", "2.9.0")
    if request.param == "devpi":
        yield request.getfixturevalue("devpi_url")
    else:
        with SERVERS[request.param](tmp_path) as address:
            yield address


def hashes_of(project: Project) -> dict[str, list[str]]:
    lock = json.loads(project.tree["locks/lock.json"])
    pins = ((f"{found['name']}=={found['version']}", found["files"]) for found in lock["packages"])
    return {pin: [file["sha256"] for file in files] for pin, files in pins}


@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
def test_every_command_works(url: str, resolver: str, project: Project, tmp_path: Path) -> None:
    project.write(VERSIONS.format(url=url, more=""))
    project.ok("resolve", "--resolver", resolver)
    locked = hashes_of(project)
    assert set(locked) == {"filelock==3.0", "torch==2.5.1+cu121", "torch-audio==2.5.1"}
    assert locked["torch==2.5.1+cu121"] == [sha256(WHEELS[TORCH])]
    project.write("import torch\nimport torch_audio\n", "stages/asr/asr.py")
    project.ok("lint")
    project.ok("audit", "--files")
    project.ok("fetch", str(tmp_path / "wheelhouse"))
    assert {TORCH, AUDIO} <= {path.name for path in (tmp_path / "wheelhouse/files").rglob("*.whl")}

    project.write(VERSIONS.format(url=url, more='recorded = "locks/index/cu121"\n'))
    assert ", 0 missing, " in project.ok("index", "record", "cu121").out
    project.ok("resolve", "--resolver", resolver)
    assert hashes_of(project) == locked


# -- no hashes -------------------------------------------------------------------------


@contextmanager
def pypiserver_without_hashes(folder: Path) -> Iterator[str]:
    with pypiserver(shelve(folder / "wheels"), "off") as (url, _):
        yield url


@contextmanager
def static_without_hashes(folder: Path) -> Iterator[str]:
    write_tree(folder / "static/simple", WHEELS, {}, hashed=False)
    with static_folder(folder / "static") as url:
        yield f"{url}/simple"


@contextmanager
def listings_of_folders(folder: Path) -> Iterator[str]:
    """`python -m http.server` lists a folder itself: each file is a link without a hash."""
    write_tree(folder / "static", WHEELS, {})
    for page in (folder / "static").rglob("index.html"):
        page.unlink()
    with static_folder(folder / "static") as url:
        yield url


@pytest.mark.parametrize("server", [pypiserver_without_hashes, static_without_hashes, listings_of_folders])
@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
def test_an_index_without_hashes_is_refused(
    server: Server, resolver: str, project: Project, index: LocalIndex, tmp_path: Path
) -> None:
    index.add("filelock", "3.0")
    with server(tmp_path) as url:
        project.write(VERSIONS.format(url=url, more=""))
        ran = project.run("resolve", "--resolver", resolver)
    assert ran.code == 2
    assert f"index cu121: {TORCH} is left out: the index gives no sha256 for it" in ran.err
    assert "no file of [index.cu121] that may be used has a sha256" in ran.err
    assert "--hash-algo sha256" in ran.err


# -- flat pages ------------------------------------------------------------------------


@contextmanager
def flat_folder(folder: Path) -> Iterator[str]:
    shelve(folder / "static")
    with static_folder(folder / "static") as url:
        yield url


@contextmanager
def flat_page(folder: Path) -> Iterator[str]:
    """As torch_stable.html: links into folders of accelerators."""
    root = folder / "static"
    shelve(root)
    links = [f'<a href="cu121/{name}#sha256={sha256(data)}">cu121/{name}</a><br>' for name, data in WHEELS.items()]
    (root / "torch_stable.html").write_text("\n".join(links))
    with static_folder(root) as url:
        yield f"{url}/torch_stable.html"


@contextmanager
def page_of_a_project(folder: Path) -> Iterator[str]:
    with on_a_static_folder(folder) as url:
        yield f"{url}/torch/"


@pytest.mark.parametrize(
    ("server", "hint"),
    [
        (flat_folder, "give the URL that has a page for each package"),
        (flat_page, "give the URL that has a page for each package"),
        (page_of_a_project, "remove the name of the package: http://127.0.0.1:"),
    ],
)
def test_a_flat_list_of_files_is_refused(
    server: Server, hint: str, project: Project, index: LocalIndex, tmp_path: Path
) -> None:
    with server(tmp_path) as url:
        for more, command in (("", ["resolve"]), ('recorded = "locks/index/cu121"\n', ["index", "record", "cu121"])):
            project.write(VERSIONS.format(url=url, more=more))
            ran = project.run(*command)
            assert ran.code == 2, ran.err
            assert "is a flat list of files: there is no page at http://127.0.0.1:" in ran.err
            assert hint in ran.err
            assert "[index.cu121] url" in ran.err


DEFAULT_ONLY = """\
[family]
name = "small"
python = "3.11"

[variants.cpu]
from = "python:3.11-slim"

[pins]
filelock = "3.0"

[bases.base]

[stages.asr]
from = "base"
packages = ["filelock"]
copy = ["app"]

[compat]
python = ["3.11"]
"""


@pytest.fixture
def flat_default(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_caches: None) -> Iterator[str]:
    """The default index is a folder with wheels, without a page for each package."""
    project.write(DEFAULT_ONLY)
    folder = tmp_path / "flat"
    folder.mkdir()
    name = "filelock-3.0-py3-none-any.whl"
    (folder / name).write_bytes(simple_wheel(name))
    with static_folder(folder) as url:
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        monkeypatch.delenv("PIP_INDEX_URL", raising=False)
        yield url


COMMANDS = [
    ["resolve"],
    ["resolve", "--resolver", "pip-compile"],
    ["bump", "filelock"],
    ["bump", "filelock==3.1"],
    ["outdated"],
    ["compat"],
    ["explain"],
    ["repair"],
    ["pairs", "--refresh"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_flat_default_index_is_refused(words: list[str], flat_default: str, project: Project) -> None:
    ran = project.run(*words)
    assert ran.code == 2, ran.out + ran.err
    assert f"the default index {flat_default} is a flat list of files: there is no page at {flat_default}/" in ran.err
    assert "UV_DEFAULT_INDEX" in ran.err
    assert "no such package" not in ran.err
    assert ran.err.count("is a flat list of files") == 1
    assert set(project.tree) == {"versions.toml"}


@pytest.mark.parametrize("words", [["fetch", "wheels"], ["lint"], ["audit", "--files"]], ids=" ".join)
def test_it_is_refused_although_there_is_a_lock(
    words: list[str], project: Project, index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("filelock", "3.0")
    project.write(DEFAULT_ONLY)
    project.write("import filelock\n", "app/main.py")
    project.ok("resolve")
    monkeypatch.chdir(tmp_path)
    with flat_folder(tmp_path) as url:
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        ran = project.run(*words)
    assert ran.code == 2, ran.out + ran.err
    assert f"the default index {url} is a flat list of files: there is no page at {url}/" in ran.err


def test_the_start_of_a_page_shows_whether_it_is_flat(
    project: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of all projects of a large index has 40 MB: lockgen reads only its start, and once."""
    projects = "".join(f'<a href="/simple/p{number}/">p{number}</a>\n' for number in range(200_000)).encode()

    def respond(asked: Asked) -> Answer:
        if asked.path == "/simple":
            return Answer(200, projects, {"Content-Type": "text/html"})
        return Answer(404)

    project.write(DEFAULT_ONLY)
    with hand(respond) as server:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{server.url}/simple")
        ran = project.run("resolve")
    assert (ran.code, "no such package: filelock" in ran.err) == (3, True), ran.err
    assert server.paths.count("/simple") == 1
