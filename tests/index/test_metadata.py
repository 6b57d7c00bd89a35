"""Core Metadata of a file: next to it, out of it by range requests, from an sdist, by a build, or from the cache."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from support.hand_server import Answer, Asked, Hand, hand, metadata_of, ranged, sha256, simple_wheel, wheel_of
from support.index import sdist

from lockgen.core.index import CoreMetadata, IndexFile
from lockgen.core.resolution import Request
from lockgen.core.target import Target
from lockgen.errors import NoResolution, ToolFailed
from lockgen.index import metadata as metadata_module
from lockgen.index.core_metadata import is_static, parse_metadata
from lockgen.index.metadata import MetadataReader
from lockgen.io.cache import cache_root
from lockgen.io.http import Http

NAME = "torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl"
REQUIRES = ("filelock", 'sympy==1.13.1 ; python_version >= "3.9"')
TEXT = metadata_of("torch", "2.5.1+cu121", REQUIRES, Requires_Python=">=3.8.0", Provides_Extra="opt")
KNOWN = CoreMetadata("torch", "2.5.1+cu121", ">=3.8.0", REQUIRES, ("opt",))


def request(*, offline: bool = False) -> Request:
    target = Target(f"{sys.version_info[0]}.{sys.version_info[1]}", "linux/amd64", "2.35")
    return Request("small", target, (), (), {}, {}, {}, frozenset(), None, offline=offline)


def of(server: Hand, name: str, data: bytes, **said: str | None) -> IndexFile:
    return replace(IndexFile(name, f"{server.url}/{name}", sha256(data)), **said)  # type: ignore[arg-type]


def read(file: IndexFile, *, offline: bool = False) -> CoreMetadata:
    return MetadataReader(Http()).read([file], request(offline=offline))[file.name]


def files(**known: bytes) -> Callable[[Asked], Answer]:
    return lambda asked: ranged(known[asked.path[1:]], asked) if asked.path[1:] in known else Answer(404)


# -- wheels -----------------------------------------------------------------------


@pytest.mark.parametrize("said", ["", sha256(TEXT)])
def test_separate_metadata_saves_reading_the_wheel(said: str) -> None:
    with hand(files(**{f"{NAME}.metadata": TEXT})) as server:
        assert read(of(server, NAME, b"wheel", metadata_sha256=said)) == KNOWN
    assert server.paths == [f"/{NAME}.metadata"]


def test_metadata_with_another_hash_is_refused() -> None:
    with (
        hand(files(**{f"{NAME}.metadata": TEXT})) as server,
        pytest.raises(
            ToolFailed, match=f"the metadata of torch.* does not match the index page: sha256 {sha256(TEXT)}"
        ),
    ):
        read(of(server, NAME, b"wheel", metadata_sha256="0" * 64))
    assert not cache_root().joinpath("metadata").exists()


def test_metadata_that_is_offered_but_missing_is_read_from_the_wheel() -> None:
    data = wheel_of(NAME, TEXT)
    with hand(files(**{NAME: data})) as server:
        assert read(of(server, NAME, data, metadata_sha256=sha256(TEXT))) == KNOWN
    assert server.paths[0] == f"/{NAME}.metadata"


@pytest.mark.parametrize("comment", [b"", b"x" * 65_000], ids=["", "comment"])
def test_metadata_far_from_the_end_needs_few_bytes(comment: bytes) -> None:
    buffer = io.BytesIO(wheel_of(NAME, TEXT + b"#" * 30_000, before=bytes(3_000_000), after=bytes(8_000_000)))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = comment  # so long that the directory is not in the first part read
    data = buffer.getvalue()
    with hand(files(**{NAME: data})) as server:
        assert read(of(server, NAME, data)) == KNOWN
    assert all(asked.headers["range"].startswith("bytes=") for asked in server.asked)
    assert server.sent < 200_000 < len(data)


def test_a_large_wheel_on_a_server_without_ranges_is_an_error() -> None:
    data = wheel_of(NAME, TEXT, after=bytes(6 * 1024 * 1024))
    with (
        hand(lambda asked: Answer(200, data)) as server,
        pytest.raises(ToolFailed, match="sends more than 5242880 bytes"),
    ):
        read(of(server, NAME, data))


def test_a_small_wheel_on_a_server_without_ranges_is_read_whole() -> None:
    data = wheel_of(NAME, TEXT, after=bytes(200_000))
    with hand(lambda asked: Answer(200, data)) as server:
        assert read(of(server, NAME, data)) == KNOWN
    assert len(server.asked) == 1


def test_a_wheel_that_was_read_whole_must_have_its_hash() -> None:
    data = wheel_of(NAME, TEXT)
    with (
        hand(files(**{NAME: data})) as server,
        pytest.raises(ToolFailed, match=f"does not match the index page: sha256 {sha256(data)}"),
    ):
        read(of(server, NAME, b"another wheel"))


def test_a_server_that_sends_other_ranges_is_refused() -> None:
    data = wheel_of(NAME, TEXT, after=bytes(1_000_000))

    def respond(asked: Asked) -> Answer:
        return ranged(data, asked) if asked.headers["range"] == "bytes=-65536" else Answer(200, data)

    with hand(respond) as server, pytest.raises(ToolFailed, match="does not support range requests: HTTP 200"):
        read(of(server, NAME, data))


def no_metadata() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("torch/__init__.py", "")
    return buffer.getvalue()


def two_metadata() -> bytes:
    buffer = io.BytesIO(wheel_of(NAME, TEXT))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("evil-1.0.dist-info/METADATA", "Name: evil\nVersion: 1.0\n")
    return buffer.getvalue()


def damaged() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("torch-2.5.1.dist-info/METADATA", TEXT * 20)
    data = bytearray(buffer.getvalue())
    data[60:90] = b"\xff" * 30
    return bytes(data)


def swelling() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("torch-2.5.1.dist-info/METADATA", TEXT + bytes(20_000_000))
    return buffer.getvalue()


def lying() -> bytes:
    """The local header and the central directory say that the METADATA has 10 bytes."""
    size = (len(TEXT) + 20_000_000).to_bytes(4, "little")
    return swelling().replace(size, (10).to_bytes(4, "little"))


def locked() -> bytes:
    data = bytearray(wheel_of(NAME, TEXT))
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        data[at + 8] |= 1  # "encrypted", in every entry of the central directory
        at += 4
    return bytes(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_metadata, "has 0 METADATA files instead of one"),
        (two_metadata, "has 2 METADATA files instead of one"),
        (damaged, "is not a wheel"),
        (swelling, "is not a wheel"),
        (lying, "is not a wheel"),
        (locked, "is not a wheel"),
        (lambda: b"<html>no wheel</html>", "is not a wheel"),
        (lambda: b"", "is not a wheel"),
        (lambda: wheel_of(NAME, TEXT)[:-10], "is not a wheel"),
        (lambda: wheel_of(NAME, TEXT)[40:], "is not a wheel"),
    ],
)
def test_an_invalid_wheel_is_an_error(make: Callable[[], bytes], message: str) -> None:
    data = make()
    with hand(lambda asked: Answer(200, data)) as server, pytest.raises(ToolFailed, match=message) as caught:
        read(of(server, NAME, data))
    assert NAME in str(caught.value)


@pytest.mark.parametrize("make", [swelling, lying])
def test_metadata_that_unpacks_to_much_is_not_kept_in_memory(make: Callable[[], bytes]) -> None:
    data = make()
    tracemalloc.start()
    try:
        with hand(lambda asked: Answer(200, data)) as server, pytest.raises(ToolFailed):
            read(of(server, NAME, data))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 12_000_000


def test_a_missing_wheel_is_an_error() -> None:
    with (
        hand(lambda asked: Answer(404)) as server,
        pytest.raises(ToolFailed, match=r"torch.*\.whl is no longer at http://.*: HTTP 404"),
    ):
        read(of(server, NAME, b""))


@pytest.mark.parametrize(
    ("name", "version"), [("evil", "2.5.1+cu121"), ("torch", "2.5.1"), ("torch", "2.5.1+cu124"), ("torch", "latest")]
)
@pytest.mark.parametrize("separate", [True, False])
def test_metadata_of_another_package_is_refused(name: str, version: str, separate: bool) -> None:
    text = metadata_of(name, version)
    data = wheel_of(NAME, text)
    with hand(files(**{NAME: data, f"{NAME}.metadata": text})) as server:
        file = of(server, NAME, data, metadata_sha256="" if separate else None)
        with pytest.raises(ToolFailed, match=f"the metadata of torch.* is that of {name} "):
            read(file)
        with pytest.raises(ToolFailed, match=f"the metadata of torch.* is that of {name} "):
            MetadataReader(Http()).wheel_text(file)
        with pytest.raises(ToolFailed):
            read(file, offline=True)  # and it was not kept


def test_another_spelling_of_the_name_is_the_same_package() -> None:
    name = "foo_bar-1.0-py3-none-any.whl"
    data = wheel_of(name, metadata_of("Foo.Bar", "1.0.0"))
    with hand(files(**{name: data})) as server:
        assert read(of(server, name, data)).name == "Foo.Bar"


def test_metadata_without_a_name_is_an_error() -> None:
    with (
        hand(files(**{f"{NAME}.metadata": b"Metadata-Version: 2.1\n"})) as server,
        pytest.raises(ToolFailed, match="has no name or no version"),
    ):
        read(of(server, NAME, b"", metadata_sha256=""))


def test_every_file_that_fails_is_reported() -> None:
    good, other = NAME, NAME.replace("2.5.1", "2.4.0")
    data = wheel_of(good, TEXT)
    with hand(files(**{good: data})) as server:
        missing = [of(server, other, b""), of(server, other.replace("cp311", "cp312"), b"")]
        with pytest.raises(ToolFailed) as caught:
            MetadataReader(Http()).read([of(server, good, data), *missing], request())
    assert [fault.message.split(" ")[0] for fault in caught.value.faults] == [file.name for file in missing]


# -- the cache ----------------------------------------------------------------------


def cached() -> tuple[IndexFile, Path]:
    """A file that was read from a server that is gone, and where it is cached."""
    with hand(files(**{f"{NAME}.metadata": TEXT})) as server:
        file = of(server, NAME, b"wheel", metadata_sha256="")
        assert read(file) == KNOWN
    (entry,) = cache_root().rglob("*.json")
    return file, entry


@pytest.mark.parametrize("offline", [True, False])
def test_cached_metadata_needs_no_server(offline: bool) -> None:
    file, entry = cached()
    assert read(file, offline=offline) == KNOWN
    assert entry.stem == file.sha256
    assert list(cache_root().rglob("*.tmp")) == []


def test_two_threads_fetch_the_same_file_once() -> None:
    data = wheel_of(NAME, TEXT)
    both = threading.Barrier(2)

    def respond(asked: Asked) -> Answer:
        time.sleep(0.2)  # meanwhile the other thread requests it too
        return ranged(data, asked)

    with hand(respond) as server, ThreadPoolExecutor(2) as pool:
        reader, file = MetadataReader(Http()), of(server, NAME, data)

        def ask(_: int) -> CoreMetadata:
            both.wait()
            return reader.read([file], request())[NAME]

        assert list(pool.map(ask, range(2))) == [KNOWN, KNOWN]
    assert len(server.asked) == 1


def test_a_file_without_a_hash_is_never_cached() -> None:
    with hand(files(**{f"{NAME}.metadata": TEXT})) as server:
        file = of(server, NAME, b"", metadata_sha256="", sha256=None)
        assert read(file) == read(file) == KNOWN
    assert len(server.asked) == 2
    assert not cache_root().exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: "",
        lambda data: "{",
        lambda data: "[]",
        lambda data: "[" * 100_000,
        lambda data: json.dumps({**data, "name": "evil"}),
        lambda data: json.dumps({**data, "version": "1"}),
        lambda data: json.dumps({**data, "requires": "filelock"}),
        lambda data: json.dumps({**data, "requires": [1]}),
        lambda data: json.dumps({**data, "requires-python": 3}),
        lambda data: json.dumps({key: value for key, value in data.items() if key != "extras"}),
    ],
)
def test_a_damaged_cache_entry_is_replaced(damage: Callable[[dict[str, object]], str]) -> None:
    file, entry = cached()
    entry.write_text(damage(json.loads(entry.read_text())))
    with pytest.raises(ToolFailed, match="the cache has no metadata"):
        read(file, offline=True)
    with hand(files(**{f"{NAME}.metadata": TEXT})) as server:
        assert read(replace(file, url=f"{server.url}/{NAME}")) == KNOWN
    assert len(server.asked) == 1
    assert read(file, offline=True) == KNOWN


def test_offline_names_every_file_that_is_not_cached() -> None:
    file, _ = cached()
    other = replace(file, name=NAME.replace("2.5.1", "2.4.0"), sha256="0" * 64)
    with pytest.raises(ToolFailed, match=r"the cache has no metadata of torch-2\.4\.0\+cu121") as caught:
        MetadataReader(Http()).read([file, other], request(offline=True))
    assert caught.value.faults[0].hint == "retry without --offline"


def test_an_unwritable_cache_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("LOCKGEN_CACHE_DIR", str(tmp_path / "file"))
    with hand(files(**{f"{NAME}.metadata": TEXT})) as server:
        assert read(of(server, NAME, b"", metadata_sha256="")) == KNOWN


def test_the_default_cache_is_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LOCKGEN_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root().is_relative_to(tmp_path)
    assert cache_root().name == "lockgen"


# -- source distributions -----------------------------------------------------------


def source(info: bytes | None, *, name: str = "pysrt-1.1.2.tar.gz") -> bytes:
    """A source distribution that does not build."""
    buffer = io.BytesIO()
    stem = name.removesuffix(".tar.gz").removesuffix(".zip")
    project = b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    members = {"pyproject.toml": project, "backend.py": b"raise RuntimeError('no compiler')\n"}
    members |= {"PKG-INFO": info} if info is not None else {}
    members["src/pysrt.egg-info/PKG-INFO"] = b"Metadata-Version: 2.2\nName: wrong\nVersion: 0\n"
    if name.endswith(".zip"):
        with zipfile.ZipFile(buffer, "w") as packed:
            for path, content in members.items():
                packed.writestr(f"{stem}/{path}", content)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for path, content in members.items():
                entry = tarfile.TarInfo(f"{stem}/{path}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


STATIC = b"Metadata-Version: 2.2\nName: pysrt\nVersion: 1.1.2\nRequires-Dist: chardet\n"


@pytest.mark.parametrize("name", ["pysrt-1.1.2.tar.gz", "pysrt-1.1.2.zip"])
def test_an_sdist_with_static_requirements_is_not_built(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object) -> bytes:
        raise AssertionError("built")

    monkeypatch.setattr(metadata_module, "built_metadata", build)
    data = source(STATIC, name=name)
    with hand(files(**{name: data})) as server:
        assert read(of(server, name, data)) == CoreMetadata("pysrt", "1.1.2", None, ("chardet",))


def test_an_sdist_without_static_requirements_is_built() -> None:
    text = "Metadata-Version: 2.1\nName: docopt\nVersion: 0.6.2\nRequires-Dist: chardet>=3\n"
    name, data = sdist("docopt", "0.6.2", text)
    with hand(files(**{name: data})) as server:
        file = of(server, name, data)
        assert read(file) == CoreMetadata("docopt", "0.6.2", None, ("chardet>=3",))
    assert server.paths == [f"/{name}"]
    assert read(file, offline=True).requires == ("chardet>=3",)


def test_a_python_that_does_not_start_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyenv puts a shim on PATH for each Python that it has, and most of them only say "command not found"."""
    shim = tmp_path / "python3.8"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.8: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    name, data = sdist("docopt", "0.6.2", "Metadata-Version: 2.1\nName: docopt\nVersion: 0.6.2\n")
    with hand(files(**{name: data})) as server:
        asking = replace(request(), target=Target("3.8", "linux/amd64", "2.35"))
        with pytest.raises(ToolFailed, match=r"with Python 3\.8, which is not on this machine"):
            MetadataReader(Http()).read([of(server, name, data)], asking)


@pytest.mark.parametrize("info", [None, STATIC.replace(b"2.2", b"2.1"), STATIC + b"Dynamic: Requires-Dist\n"])
def test_an_sdist_that_does_not_build_is_an_error(info: bytes | None) -> None:
    data = source(info)
    with (
        hand(files(**{"pysrt-1.1.2.tar.gz": data})) as server,
        pytest.raises(ToolFailed, match=r"pysrt-1\.1\.2\.tar\.gz does not build") as caught,
    ):
        read(of(server, "pysrt-1.1.2.tar.gz", data))
    assert "no compiler" in str(caught.value.faults[0].reason)


def test_an_sdist_with_another_hash_is_neither_read_nor_built(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []
    monkeypatch.setattr(metadata_module, "built_metadata", lambda *given: built.append(given))
    name, data = sdist("docopt", "0.6.2", "Name: docopt\nVersion: 0.6.2\n")
    with (
        hand(files(**{name: data})) as server,
        pytest.raises(ToolFailed, match=f"docopt.* does not match the index page: sha256 {sha256(data)}"),
    ):
        read(of(server, name, b"other"))
    assert built == []


@pytest.mark.parametrize(
    "data",
    [b"", b"no archive", source(STATIC)[:100], source(STATIC)[:30] + b"\xff" * 200],
    ids=["empty", "text", "cut off", "damaged"],
)
def test_an_invalid_sdist_is_an_error(data: bytes) -> None:
    with (
        hand(files(**{"pysrt-1.1.2.tar.gz": data})) as server,
        pytest.raises(ToolFailed, match=r"pysrt-1\.1\.2\.tar\.gz is not a source distribution"),
    ):
        read(of(server, "pysrt-1.1.2.tar.gz", data))


def test_a_missing_sdist_is_an_error() -> None:
    with (
        hand(lambda asked: Answer(404)) as server,
        pytest.raises(ToolFailed, match=r"pysrt-1\.1\.2\.tar\.gz is no longer at .*: HTTP 404"),
    ):
        read(of(server, "pysrt-1.1.2.tar.gz", b""))


# -- a hash that only the resolver gives -------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "error", "message"),
    [
        ({}, NoResolution, "the index gives no sha256 for torch"),
        ({"sha256": "0" * 64}, ToolFailed, "changed on the index during the resolution"),
        (None, ToolFailed, "no longer lists torch"),
    ],
)
def test_the_index_page_must_confirm_a_hash(
    listed: dict[str, str] | None, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = wheel_of(NAME, TEXT)
    entries = [] if listed is None else [{"filename": NAME, "url": f"/{NAME}", "hashes": listed}]
    page = json.dumps({"meta": {"api-version": "1.0"}, "files": entries}).encode()
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}

    def respond(asked: Asked) -> Answer:
        return Answer(200, page, kind) if asked.path == "/simple/torch/" else ranged(data, asked)

    with hand(respond) as server:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{server.url}/simple")
        with pytest.raises(error, match=message):
            read(replace(of(server, NAME, data), vouched=False))
    assert server.paths == ["/simple/torch/"]


# -- the text ------------------------------------------------------------------------


def test_a_folded_header_becomes_one_line() -> None:
    text = b"Name: torch\nVersion: 2.5.1\nRequires-Dist: filelock\n  ; extra == 'x'\r\nRequires-Python: >=3.8\n\t,<4\n"
    known = parse_metadata(text, NAME)
    assert known.requires == ("filelock ; extra == 'x'",)
    assert known.requires_python == ">=3.8 ,<4"


def test_invalid_values_of_other_fields_are_ignored() -> None:
    text = b"Name: torch\nVersion: 2.5.1\nClassifier\nLicense: \xff\xfe\nDynamic: nothing\nX-Odd: 1\n"
    assert parse_metadata(text, NAME) == CoreMetadata("torch", "2.5.1")


@pytest.mark.parametrize(
    ("text", "static"),
    [
        ("Metadata-Version: 2.2\n", True),
        ("Metadata-Version: 2.10\n", True),
        ("Metadata-Version: 2.1\n", False),
        ("Metadata-Version: new\n", False),
        ("", False),
        ("Metadata-Version: 2.2\nDynamic: Requires-Dist\n", False),
        ("Metadata-Version: 2.2\nDynamic: provides-extra\n", False),
        ("Metadata-Version: 2.2\nDynamic: Summary\n", True),
    ],
)
def test_when_the_requirements_of_an_sdist_are_static(text: str, static: bool) -> None:
    assert is_static(text) is static


def test_the_wheels_of_these_tests_are_valid() -> None:
    with zipfile.ZipFile(io.BytesIO(simple_wheel(NAME))) as archive:
        assert archive.testzip() is None
