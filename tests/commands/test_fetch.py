"""The wheelhouse: every locked file once, hashes checked, resumed where it was cut off."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from support.index import LocalIndex
from support.project import Project

FAMILY = """\
[family]
name = "small"
python = "3.11"

[variants.cpu]
from = "python:3.11-slim"

[common]
packages = ["numpy"]

[bases.base]

[stages.asr]
from = "base"
packages = ["speech"]
"""


def filled(project: Project, index: LocalIndex) -> Path:
    index.add("numpy", "2.0.0")
    index.add("speech", "1.0", ["numpy"])
    project.write(FAMILY)
    project.ok("resolve")
    folder = project.root.parent / "wheelhouse"
    project.ok("fetch", str(folder))
    return folder


def test_each_file_once_and_a_folder_for_each_image(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    listed = json.loads((folder / "wheelhouse.json").read_text())["files"]
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "files").iterdir()}
    assert there == listed
    assert {path.name.partition("-")[0] for path in folder.glob("*/*.whl")} == {"numpy", "speech", "uv"}
    assert [path.name for path in (folder / "asr-cpu").iterdir()] == ["speech-1.0-py3-none-any.whl"]
    assert [path.name for path in (folder / "base-cpu").iterdir()] == ["numpy-2.0.0-py3-none-any.whl"]


def test_twice_fetches_nothing(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    index.asked.clear()
    project.ok("fetch", str(folder))
    assert not [path for path in index.asked if path.startswith("/files/")]


def test_another_file_under_the_name_is_replaced(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    file = folder / "files" / "speech-1.0-py3-none-any.whl"
    honest = file.read_bytes()
    file.unlink()
    file.write_bytes(b"something else")
    project.ok("fetch", str(folder))
    assert file.read_bytes() == honest
    assert (folder / "asr-cpu" / file.name).read_bytes() == honest


def test_a_download_that_was_cut_off_goes_on(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    file = folder / "files" / "speech-1.0-py3-none-any.whl"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    part = file.with_name(f"{file.name}.{digest[:12]}.part")
    part.write_bytes(file.read_bytes()[:100])
    file.unlink()
    project.ok("fetch", str(folder))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    assert not part.exists()


def test_other_bytes_than_the_locks_are_refused(project: Project, index: LocalIndex) -> None:
    folder = filled(project, index)
    name = "speech-1.0-py3-none-any.whl"
    (folder / "files" / name).unlink()
    index.files[name] = b"not the wheel"
    failed = project.run("fetch", str(folder))
    assert failed.code == 4
    assert f"hash mismatch of {name}" in failed.err
    assert [path.name for path in (folder / "files").iterdir() if path.name.startswith("speech")] == []
