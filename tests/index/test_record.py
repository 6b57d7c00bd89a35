"""Records of indexes: writing, reading, and detecting any change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.hand_server import metadata_of, sha256

from lockgen.core.index import IndexFile
from lockgen.errors import BadInput
from lockgen.index.record_reader import parse_record
from lockgen.index.record_writer import RecordedFile, headers_of, render_record
from lockgen.manifest.record_digests import record_digest

ROOT = Path(__file__).parents[2]
URL = "https://index.example/whl/cu121"
Tree = dict[str, bytes]


def wheel(project: str, version: str, tag: str = "cp311", **said: object) -> IndexFile:
    name = f"{project}-{version}+cu121-{tag}-{tag}-linux_x86_64.whl"
    return IndexFile(name, f"{URL}/whatever/{name}", sha256(name.encode()), **said)  # type: ignore[arg-type]


def recorded(file: IndexFile, *requires: str) -> RecordedFile:
    project, version = file.name.split("-")[:2]
    return RecordedFile(project, file, headers_of(metadata_of(project, version, requires)))


FILES = (
    recorded(
        wheel("torch", "2.5.1", size=780_000_000, installed=1_500_000_000, requires_python=">=3.8.0"), "sympy==1.13.1"
    ),
    recorded(wheel("torch", "2.5.1", "cp312", yanked="old"), "sympy==1.13.1", "setuptools"),
    recorded(wheel("torch", "2.10.0", upload_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))),
    recorded(wheel("torch", "2.5.1", "cp310", yanked=""), "sympy==1.13.1"),
    recorded(wheel("torchaudio", "2.5.1"), "torch==2.5.1"),
)


def tree() -> Tree:
    return {f"rec/{path}": data for path, data in render_record("cu121", URL, FILES).items()}


def test_a_record_reads_back() -> None:
    index = parse_record(tree().get, "rec", "cu121")
    assert (index.name, index.url) == ("cu121", URL)
    assert {page.project: len(page.files) for page in index.pages.values()} == {"torch": 4, "torchaudio": 1}
    for entry in FILES:
        (file,) = [file for file in index.pages[entry.project].files if file.name == entry.file.name]
        assert (file.sha256, file.size) == (entry.file.sha256, entry.file.size)
        assert file.installed == entry.file.installed
        assert (file.requires_python, file.yanked) == (entry.file.requires_python, entry.file.yanked)
        assert file.upload_time == entry.file.upload_time
    assert index.metadata[FILES[1].file.name].requires == ("sympy==1.13.1", "setuptools")
    assert index.metadata[FILES[0].file.name].requires == ("sympy==1.13.1",)


def test_the_order_of_files_and_of_writing_does_not_matter() -> None:
    assert render_record("cu121", URL, reversed(FILES)) == render_record("cu121", URL, FILES)
    names = [file.name for file in parse_record(tree().get, "rec", "cu121").pages["torch"].files]
    assert [name.split("+")[0] for name in names] == ["torch-2.5.1", "torch-2.5.1", "torch-2.5.1", "torch-2.10.0"]


def test_each_text_is_stored_once_and_each_file_has_one_line() -> None:
    texts = sorted(path for path in tree() if "/metadata/" in path)
    assert texts == [
        "rec/metadata/torch-2.10.0+cu121.txt",
        "rec/metadata/torch-2.5.1+cu121.2.txt",
        "rec/metadata/torch-2.5.1+cu121.txt",
        "rec/metadata/torchaudio-2.5.1+cu121.txt",
    ]
    lines = tree()["rec/index.json"].decode().splitlines()
    assert len([line for line in lines if line.startswith('  {"name": ')]) == len(FILES)


def test_an_empty_record_reads_back() -> None:
    known = {f"rec/{path}": data for path, data in render_record("cu121", URL, ()).items()}
    assert parse_record(known.get, "rec", "cu121").pages == {}


def test_headers_have_no_description() -> None:
    text = (
        b"Metadata-Version: 2.1\r\nName: torch\r\nVersion: 2.5.1\r\nLicense: one\r\n   two\r\n"
        b"Description: long\r\n        longer\r\nRequires-Dist: sympy\r\n  ; extra == 'x'\r\n\r\nbody\r\n"
    )
    assert headers_of(text) == (
        "Metadata-Version: 2.1\nName: torch\nVersion: 2.5.1\nRequires-Dist: sympy\n  ; extra == 'x'\n"
    )


# -- changed records ------- ---------------------------------------------------------


@pytest.mark.parametrize("path", sorted(path for path in tree() if "/metadata/" in path))
@pytest.mark.parametrize(
    "change", [lambda data: data + b"\n", lambda data: data[1:], lambda data: None, lambda data: b""]
)
def test_a_changed_metadata_file_is_an_error(path: str, change: Callable[[bytes], bytes | None]) -> None:
    known: dict[str, bytes | None] = {**tree()}
    known[path] = change(tree()[path])
    with pytest.raises(BadInput) as caught:
        parse_record(known.get, "rec", "cu121")
    (fault,) = caught.value.faults
    assert str(fault.place) == path
    assert "lockgen index record cu121" in str(fault.hint)


def test_a_missing_record_is_an_error() -> None:
    with pytest.raises(BadInput) as caught:
        parse_record(lambda path: None, "rec", "cu121")
    assert str(caught.value.faults[0].place) == "rec/index.json"


def edited(edit: Callable[[dict[str, object]], object]) -> bytes:
    document = json.loads(tree()["rec/index.json"])
    edit(document)
    return json.dumps(document).encode()


def first(document: dict[str, object]) -> dict[str, object]:
    return document["projects"]["torch"][0]  # type: ignore[index,no-any-return]


BROKEN: dict[str, Callable[[dict[str, object]], object]] = {
    "another format": lambda d: d.update(format=2),
    "no format": lambda d: d.pop("format"),
    "no projects": lambda d: d.pop("projects"),
    "projects a list": lambda d: d.update(projects=[]),
    "a file without a hash": lambda d: first(d).pop("sha256"),
    "a hash that is null": lambda d: first(d).update(sha256=None),
    "a hash in capitals": lambda d: first(d).update(sha256="A" * 64),
    "a hash and a line more": lambda d: first(d).update(sha256="a" * 64 + "\n"),
    "a short hash": lambda d: first(d).update(sha256="a" * 63),
    "another project's file": lambda d: first(d).update(name="evil-1.0-py3-none-any.whl"),
    "a name with a line break": lambda d: first(d).update(name=str(first(d)["name"]) + "\n"),
    "a name with a path": lambda d: first(d).update(name="../" + str(first(d)["name"])),
    "a name that is a number": lambda d: first(d).update(name=3),
    "a size that is text": lambda d: first(d).update(size="big"),
    "an installed size below nothing": lambda d: first(d).update(installed=-1),
    "an installed size that is true": lambda d: first(d).update(installed=True),
    "metadata outside": lambda d: first(d).update(metadata={"file": "../../secret", "sha256": "a" * 64}),
    "metadata hidden": lambda d: first(d).update(metadata={"file": ".netrc", "sha256": "a" * 64}),
    "no metadata": lambda d: first(d).pop("metadata"),
    "a time that is none": lambda d: first(d).update({"upload-time": "yesterday"}),
    "a requires-python that is a number": lambda d: first(d).update({"requires-python": 3}),
    "a yank that is a list": lambda d: first(d).update(yanked=["x"]),
}


@pytest.mark.parametrize("edit", BROKEN.values(), ids=BROKEN.keys())
def test_a_malformed_index_json_is_an_error(edit: Callable[[dict[str, object]], object]) -> None:
    known = {**tree(), "rec/index.json": edited(edit), "secret": b"Name: x\nVersion: 1\n"}
    with pytest.raises(BadInput) as caught:
        parse_record(known.get, "rec", "cu121")
    assert str(caught.value.faults[0].place) == "rec/index.json"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format": 1'])
def test_an_index_json_that_is_not_json_is_an_error(data: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        parse_record({**tree(), "rec/index.json": data}.get, "rec", "cu121")
    assert str(caught.value.faults[0].place) == "rec/index.json"
    assert record_digest({"rec/index.json": data}.get, "rec") not in (None, record_digest(tree().get, "rec"))


# -- the digest ------------------------------------------------------------------------


def test_the_digest_changes_with_any_byte() -> None:
    known = tree()
    before = record_digest(known.get, "rec")
    assert before is not None
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", before)
    assert record_digest(tree().get, "rec") == before
    seen = {before}
    for path, data in known.items():
        for at in range(0, len(data), 7):
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            seen.add(str(record_digest({**known, path: changed}.get, "rec")))
        seen.add(str(record_digest({**known, path: None}.get, "rec")))
    expected = 1 + sum(len(range(0, len(data), 7)) + 1 for data in known.values())
    assert len(seen) == expected


def test_there_is_no_digest_without_a_record() -> None:
    assert record_digest(lambda path: None, "rec") is None


def test_the_digest_reads_nothing_outside_the_record() -> None:
    asked: list[str] = []

    def read(path: str) -> bytes | None:
        asked.append(path)
        return edited(BROKEN["metadata outside"]) if path == "rec/index.json" else b""

    assert record_digest(read, "rec") is not None
    assert all(re.fullmatch(r"rec/(index\.json|metadata/[\w.+-]+)", path) for path in asked)


# -- the record that this repository keeps -------------------------------------------------


def read_repository(path: str) -> bytes | None:
    file = ROOT / path
    return file.read_bytes() if file.exists() else None


def test_the_committed_record_of_cu121() -> None:
    index = parse_record(read_repository, "locks/index/cu121", "cu121")
    files = [file for page in index.pages.values() for file in page.files]
    assert len(files) == 150
    assert all(re.fullmatch(r"[0-9a-f]{64}", str(file.sha256)) for file in files)
    assert len({file.sha256 for file in files}) == 150
    (torch,) = [file for file in files if file.name == "torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl"]
    assert torch.sha256 == "c8ab8c92eab928a93c483f83ca8c63f13dafc10fc93ad90ed2dcb7c82ea50410"
    # A wheel's hash was once mistaken for that of its METADATA (pytorch/vision#9243).
    assert not {file.sha256 for file in files} & {file.metadata_sha256 for file in files}
    assert set(index.metadata) == {file.name for file in files}
    assert index.url == "https://download.pytorch.org/whl/cu121"
