"""Dumps of OSV that lie or have no end: an error in bounded memory, and no wait."""

from __future__ import annotations

import json
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from support.osv import before, record

from lockgen.audit.osv_client import OsvDump
from lockgen.core.ports import Progress
from lockgen.errors import BadInput
from lockgen.io.console import Console

RECORD = json.dumps(record("CVE-2025-1", "numpy", *before("1.2"))).encode()
MB = 1024 * 1024


@pytest.fixture
def progress() -> Progress:
    return Console(quiet=True)


def refused(path: Path, progress: Progress) -> str:
    with pytest.raises(BadInput) as caught:
        OsvDump(path, progress).of_packages(["numpy"])
    (fault,) = caught.value.faults
    assert str(path) in str(fault.place)
    return fault.message


def test_a_record_that_inflates_to_gigabytes_is_not_kept(tmp_path: Path, progress: Progress) -> None:
    path = tmp_path / "all.zip"
    size = 300 * MB
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.json", RECORD)
        with packed.open("b.json", "w") as member:
            for _ in range(300):
                member.write(bytes(MB))
    data = path.read_bytes()
    assert data.count(size.to_bytes(4, "little")) == 2
    path.write_bytes(data.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little")))
    tracemalloc.start()
    try:
        # The declared size is a lie: the content does not match its checksum.
        assert "not a complete zip file" in refused(path, progress)
        assert tracemalloc.get_traced_memory()[1] < 100 * MB
    finally:
        tracemalloc.stop()
    path.write_bytes(data)
    assert "b.json has more than" in refused(path, progress)


def test_too_many_members(tmp_path: Path, progress: Progress) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for number in range(200_001):
            packed.writestr(zipfile.ZipInfo(f"{number}.json"), b"")
    assert "more than 200000 members" in refused(path, progress)


def test_files_that_have_no_end(tmp_path: Path, progress: Progress) -> None:
    """Opening a FIFO waits for a writer, and /dev/zero never ends."""
    folder = tmp_path / "dump"
    folder.mkdir()
    (folder / "a.json").write_bytes(RECORD)
    os.mkfifo(folder / "b.json")
    assert "not a regular file" in refused(folder, progress)
    (folder / "b.json").unlink()
    (folder / "b.json").symlink_to("/dev/zero")
    assert "not a regular file" in refused(folder, progress)


def test_a_file_that_is_too_large(tmp_path: Path, progress: Progress) -> None:
    folder = tmp_path / "dump"
    folder.mkdir()
    with (folder / "a.json").open("wb") as file:
        file.truncate(65 * MB)
    assert "it has more than" in refused(folder, progress)
