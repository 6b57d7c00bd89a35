"""Routing as uv reads it: the whole uv.toml, and each page of the folder that uv reads first."""

from __future__ import annotations

import os
import weakref
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import Version

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.core.resolution import Request
from lockgen.core.target import Target
from lockgen.index.uv_pages import Pages
from lockgen.index.uv_settings import build_constraints, build_environment, build_settings, routing_digest, settings

TARGET = Target("3.11", "linux/amd64", "2.35")
DEFAULT = "https://user:pass@default.example/simple"
OLD, NEW = "torch-1.0-2-py3-none-any.whl", "torch-2.0-py3-none-any.whl"
ODD = "torch-2.0+a-1-py3-none-any.whl"


def listed(name: str, requires_python: str | None = None, yanked: str | None = None) -> IndexFile:
    return IndexFile(name, f"https://i.example/{name}", "0" * 64, requires_python=requires_python, yanked=yanked)


FILES = (
    listed(OLD, requires_python=">=3.8,<3.11"),
    listed("torch-1.0-1-py3-none-any.whl", requires_python=">=3.8"),
    replace(listed(NEW, yanked='"old" & <bad>'), url="https://i.example/other.whl?x=1&y"),
    replace(listed(ODD), url="https://i.example/a%2Fb/torch-2.0%2Ba-1-py3-none-any.whl"),
    listed("torch-9.0-py3-none-any.whl"),  # without metadata
    replace(listed("torch-8.0-py3-none-any.whl"), sha256=None),
    replace(listed("torch-7.0-cp312-cp312-win_amd64.whl"), url="https://i.example/z.whl"),
)
METADATA = {
    OLD: CoreMetadata("torch", "1.0", ">=3.8,<3.11", ("old",)),
    "torch-1.0-1-py3-none-any.whl": CoreMetadata(
        "torch", "1.0", ">=3.8", ("idna; python_full_version >= '3.11.2'", "no; python_version < '3'")
    ),
    NEW: CoreMetadata("torch", "2.0", ">=3.12", ('numpy>=1; extra == "x"',), ("x",)),
    ODD: CoreMetadata("torch", "2.0+a"),
    "torch-8.0-py3-none-any.whl": CoreMetadata("torch", "8.0"),
    "torch-7.0-cp312-cp312-win_amd64.whl": CoreMetadata("torch", "7.0"),
}
INDEX = ExplicitIndex("cu121", "https://i.example", {"torch": ProjectPage("torch", FILES)}, METADATA)
PLAIN = Request("fam", TARGET, ("idna",), ("idna==3.7", "setuptools==70", "torch==1.0"), {}, {}, {}, frozenset(), None)
ROUTED = replace(
    PLAIN,
    routes={"torch": "cu121"},
    indexes={"cu121": INDEX},
    blocked=frozenset({"torchaudio"}),
    exclude_newer=datetime(2026, 1, 2, tzinfo=UTC),
    overrides={"b": ("x>=1",), "a": ("y", "z")},
    known=(CoreMetadata("known", "1", None, ("q",)),),
)
DEFAULT_INDEX = f"""\
[[index]]
url = "{DEFAULT}"
default = true
cache-control = {{ files = "max-age=365000000, immutable" }}
"""
TABLES = """\
[[dependency-metadata]]
name = "torch"
version = "1.0"
requires-dist = ["idna", "no; python_version < '3'"]
provides-extra = []
[[dependency-metadata]]
name = "torch"
version = "2.0+a"
requires-dist = []
provides-extra = []
[[dependency-metadata]]
name = "torch"
version = "2.0"
requires-dist = ["numpy>=1; extra == \\"x\\""]
provides-extra = ["x"]
requires-python = ">=3.12"
"""


def page(text: str) -> str:
    return f"<!DOCTYPE html><html><body>\n{text}\n</body></html>\n"


def test_settings_without_listed_packages() -> None:
    assert settings(PLAIN, DEFAULT, Pages()) == (
        'constraint-dependencies = ["idna==3.7", "setuptools==70", "torch==1.0"]\n'
        'index-strategy = "first-index"\n'
        "no-sources = true\n"
        'build-constraint-dependencies = ["setuptools==70"]\n' + DEFAULT_INDEX
    )


def test_settings_with_everything() -> None:
    pages = Pages()
    folder = pages.folder(ROUTED)
    assert folder is not None
    assert settings(ROUTED, DEFAULT, pages) == (
        'constraint-dependencies = ["idna==3.7", "setuptools==70", "torch==1.0"]\n'
        'override-dependencies = [{ package = { name = "a" }, dependencies = ["y", "z"] }, '
        '{ package = { name = "b" }, dependencies = ["x>=1"] }]\n'
        'index-strategy = "first-index"\n'
        "no-sources = true\n"
        'build-constraint-dependencies = ["setuptools==70", "torch==1.0"]\n'
        'exclude-newer = "2026-01-02T00:00:00+00:00"\n'
        f'[[index]]\nname = "listed"\nurl = "{folder.as_uri()}"\nexclude-newer = false\n'
        + DEFAULT_INDEX
        + TABLES
        + '[[dependency-metadata]]\nname = "known"\nversion = "1"\nrequires-dist = ["q"]\nprovides-extra = []\n'
    )


def test_the_settings_of_builds_route_alike() -> None:
    pages = Pages()
    both = build_settings(ROUTED, DEFAULT, pages), settings(ROUTED, DEFAULT, pages)
    routing = [text[text.index("index-strategy") :].partition('name = "known"')[0] for text in both]
    assert routing[1].startswith(routing[0])
    assert both[0].startswith('constraint-dependencies = ["setuptools==70", "torch==1.0"]\nindex-strategy')
    assert both[0].endswith(TABLES)


def test_the_environment_of_builds(tmp_path: Path) -> None:
    uv = {"UV_CONFIG_FILE": str(tmp_path / "lockgen-uv.toml"), "UV_PREVIEW_FEATURES": "index-exclude-newer"}
    pip = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    blocked = replace(PLAIN, blocked=frozenset({"torch"}))
    pages = Pages()
    assert build_environment(tmp_path, PLAIN, DEFAULT, pages, {"A": "b"}) == {"A": "b", **uv}
    assert (tmp_path / "lockgen-uv.toml").read_text() == build_settings(PLAIN, DEFAULT, pages)
    assert (tmp_path / "lockgen-uv.toml").stat().st_mode & 0o777 == 0o600
    only_routes = replace(ROUTED, blocked=frozenset())
    for request in (ROUTED, blocked, only_routes):
        assert build_environment(tmp_path, request, DEFAULT, pages, {"A": "b", "PIP_NO_INDEX": "0"}) == {
            "A": "b",
            **uv,
            **pip,
        }


def test_constraints_of_builds() -> None:
    constraints = ("Torch==1.0", "Wheel==1", "numpy==2", "setuptools==70")
    assert build_constraints(replace(ROUTED, constraints=constraints)) == ["Torch==1.0", "Wheel==1", "setuptools==70"]


def test_the_digest_of_a_routing_changes_with_each_part_of_it() -> None:
    plain = replace(PLAIN, constraints=("idna==3.7",))
    other = replace(INDEX, url="https://j.example")
    requests = [
        replace(plain, constraints=("wheel==1",)),
        replace(plain, blocked=frozenset({"torch"})),
        replace(plain, blocked=frozenset({"torch", "a"})),
        replace(plain, routes={"torch": "cu121"}, indexes={"cu121": INDEX}),
        replace(plain, routes={"torch": "cu121"}, indexes={"cu121": other}),
        replace(plain, routes={"numpy": "cu121"}, indexes={"cu121": INDEX}),
    ]
    digests = [routing_digest(request) for request in requests]
    assert routing_digest(plain) == ""
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 65 and digest.startswith("-") for digest in digests)
    # Names of cached builds contain it.
    assert digests[1] == "-1ccb1df96e6ffdd6fdcaf1f8e461fdd699a687d538692af98c4f2520ecb679a6"


def test_the_pages_of_listed_packages() -> None:
    pages = Pages()
    folder = pages.folder(ROUTED)
    assert folder is not None
    assert sorted(path.name for path in folder.iterdir()) == ["torch", "torchaudio"]
    assert (folder / "torchaudio/index.html").read_text() == page("")
    digest = "0" * 64
    assert (folder / "torch/index.html").read_text() == page(
        f'<a href="https://i.example/{OLD}#sha256={digest}" data-requires-python="&gt;=3.8,&lt;3.11">{OLD}</a>\n'
        f'<a href="https://i.example/torch-1.0-1-py3-none-any.whl#sha256={digest}" data-requires-python="&gt;=3.8">'
        "torch-1.0-1-py3-none-any.whl</a>\n"
        f'<a href="{NEW}#sha256={digest}" data-yanked="&quot;old&quot; &amp; &lt;bad&gt;">{NEW}</a>\n'
        f'<a href="https://i.example/a%2Fb/torch-2.0%2Ba-1-py3-none-any.whl#sha256={digest}">{ODD}</a>\n'
        f'<a href="torch-7.0-cp312-cp312-win_amd64.whl#sha256={digest}">'
        "torch-7.0-cp312-cp312-win_amd64.whl</a>"
    )


def test_a_folder_for_each_routing() -> None:
    pages = Pages()
    other = replace(ROUTED, indexes={"cu121": replace(INDEX, pages={})})
    only_blocked = replace(PLAIN, blocked=frozenset({"torch"}))
    requests = [ROUTED, other, only_blocked, replace(ROUTED, blocked=frozenset())]
    folders = [pages.folder(request) for request in requests]
    assert pages.folder(PLAIN) is None
    assert len(set(folders)) == 4
    assert [pages.folder(replace(request, constraints=())) for request in requests] == folders
    assert [folder.name for folder in folders if folder is not None] == ["0", "1", "2", "3"]
    assert pages.metadata(ROUTED) == TABLES
    assert pages.metadata(other) == ""
    # The metadata depends on the target, too: Python 3.12 may install torch 2.0.
    newer = replace(ROUTED, target=Target("3.12", "linux/amd64", "2.35"))
    assert "requires-python" not in pages.metadata(newer)


def test_indexes_live_as_long_as_the_pages_that_know_them_by_id() -> None:
    """Python may give the id of a freed index to another one, which would get its pages."""
    pages = Pages()
    known = []
    # Two are equal, and still have different ids.
    for url in ("https://i.example", "https://i.example", "https://j.example"):
        index = replace(INDEX, url=url)
        known.append(weakref.ref(index))
        for _ in range(2):
            pages.folder(replace(ROUTED, indexes={"cu121": index}))
        del index
    asked = replace(INDEX)
    known.append(weakref.ref(asked))
    pages.offered(asked, "torch", TARGET)
    del asked
    assert all(each() is not None for each in known)
    del pages
    assert not any(each() is not None for each in known)


def test_the_folder_is_removed_with_its_owner() -> None:
    pages = Pages()
    folder = pages.folder(ROUTED)
    assert folder is not None
    assert folder.exists()
    del pages
    assert not folder.exists()


def test_the_versions_that_run_on_the_target() -> None:
    pages = Pages()
    found = pages.offered(INDEX, "torch", TARGET)
    assert sorted(found) == [Version(text) for text in ("1.0", "1.0", "2.0", "2.0+a", "8.0", "9.0")]
    assert pages.offered(INDEX, "torch", TARGET) is found
    assert pages.offered(INDEX, "numpy", TARGET) == ()
    assert pages.offered(replace(INDEX, pages={}), "torch", TARGET) == ()
    assert pages.offered(INDEX, "torch", Target("3.12", "linux/amd64", "2.35")) == found
