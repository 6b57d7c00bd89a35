"""Archives that lie about themselves: no endless loop, no gigabytes in memory, one kind of error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgen.core import archives
from lockgen.core.archives import BadArchive, TarMember, extract_zip, open_zip, read_member, tar_members

MB = 1024 * 1024


def tar_of(*members: tuple[str, bytes], **options: Any) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", **options) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def zip_of(*members: tuple[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return target.getvalue()


def contents(data: bytes, most: int = 10 * MB) -> dict[str, bytes]:
    found = {}
    for member in tar_members(io.BytesIO(data), most):
        found[member.info.name] = member.read(MB) if member.info.isreg() else b""
    return found


PLAIN = tar_of(("a", b"1" * 512), ("b", b""), ("c", b"3" * 700))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_the_members_of_a_tar_in_any_compression(pack: Callable[[bytes], bytes]) -> None:
    assert contents(pack(PLAIN)) == {"a": b"1" * 512, "b": b"", "c": b"3" * 700}


def test_members_need_not_be_read() -> None:
    assert [member.info.name for member in tar_members(io.BytesIO(PLAIN), MB)] == ["a", "b", "c"]


def test_gzip_in_several_members_and_with_zeros_after_it() -> None:
    assert contents(gzip.compress(PLAIN[:700]) + gzip.compress(PLAIN[700:]) + b"\0" * 100) == contents(PLAIN)


def test_a_long_name_and_an_extended_header() -> None:
    name = "x" * 300
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert contents(tar_of((name, b"1"), format=kind)) == {name: b"1"}


def test_an_empty_archive() -> None:
    assert contents(bytes(10240)) == {}


DAMAGED = {
    "nothing": b"",
    "noise": b"noise",
    "much noise": b"noise" * 1000,
    "cut in a member": PLAIN[:600],
    "cut in a header": PLAIN[:100],
    "cut gzip": gzip.compress(PLAIN, mtime=0)[:-100],
    "broken gzip": gzip.compress(PLAIN, mtime=0)[:10] + b"\xff" * 500,
    "cut xz": lzma.compress(PLAIN)[:60],
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(100),
    "a damaged header": PLAIN[:1024] + b"\xff" * 512 + PLAIN[1536:],
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_tar_is_an_error(how: str) -> None:
    with pytest.raises(BadArchive):
        contents(DAMAGED[how])


def header(name: str, size: bytes, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header with ``size`` as its field says it, and the right checksum."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_a_size_below_zero_does_not_lead_backwards() -> None:
    below = b"\xff" * 8 + (-1024).to_bytes(4, "big", signed=True)
    with pytest.raises(BadArchive):
        contents(header("a", below) * 3 + bytes(1024))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE])
def test_a_member_that_declares_terabytes(kind: bytes) -> None:
    with pytest.raises(BadArchive):
        contents(header("a", b"\x80" + (8 << 40).to_bytes(11, "big"), kind) + bytes(MB))


def test_a_thousand_headers_that_extend_each_other() -> None:
    with pytest.raises(BadArchive):
        contents(header("a", b"%011o\0" % 0, tarfile.XHDTYPE) * 5000 + bytes(1024))


def memory_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(BadArchive):
            work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_extended_header_that_unpacks_to_much_is_not_kept() -> None:
    bomb = gzip.compress(header("a", b"%011o\0" % (200 * MB), tarfile.XHDTYPE) + bytes(200 * MB))
    assert memory_of(lambda: contents(bomb, 1000 * MB)) < 20 * MB


def test_a_tar_that_unpacks_to_more_than_its_bound() -> None:
    bomb = gzip.compress(tar_of(("a", bytes(200 * MB))))
    assert memory_of(lambda: list(tar_members(io.BytesIO(bomb), 50 * MB))) < 20 * MB


def test_too_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_ENTRIES", 2)
    with pytest.raises(BadArchive, match="more than 2 members"):
        contents(PLAIN)


def test_a_large_member_is_not_read() -> None:
    member: TarMember = next(tar_members(io.BytesIO(PLAIN), MB))
    with pytest.raises(BadArchive, match="a has more than 511 bytes"):
        member.read(511)


def test_a_member_of_a_zip() -> None:
    with open_zip(io.BytesIO(zip_of(("a", b"1")))) as archive:
        assert read_member(archive, "a", 1) == b"1"
        with pytest.raises(BadArchive):
            read_member(archive, "b", 1)
        with pytest.raises(BadArchive, match="more than 0 bytes"):
            read_member(archive, "a", 0)


def test_a_zip_that_lies_about_a_size() -> None:
    data = zip_of(("a", bytes(200 * MB)))
    for shown in range(2):
        # The local header and the central directory both say 10 bytes.
        where = data.find((200 * MB).to_bytes(4, "little"), shown and len(data) // 2)
        data = data[:where] + (10).to_bytes(4, "little") + data[where + 4 :]
    with open_zip(io.BytesIO(data)) as archive:
        assert memory_of(lambda: read_member(archive, "a", MB)) < 20 * MB


def test_too_many_members_of_a_zip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 1)
    with pytest.raises(BadArchive, match="more than 1 members"), open_zip(io.BytesIO(zip_of(("a", b""), ("b", b"")))):
        raise AssertionError("it was opened")


SEEDS = [PLAIN, gzip.compress(PLAIN), tar_of(("x" * 300, b"1"), format=tarfile.PAX_FORMAT)]


@given(
    st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=12)), max_size=4)
)
def test_any_damage_is_an_error_or_harmless(seed: bytes, changes: list[tuple[int, bytes]]) -> None:
    data = seed
    for where, new in changes:
        place = where % len(data)
        data = data[:place] + new + data[place + len(new) :]
    try:
        contents(data)
    except BadArchive:
        return
    # What was accepted is read the same way again.
    assert contents(data) == contents(data)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_damage_of_a_zip(noise: bytes, where: int) -> None:
    data = zip_of(("a", b"1" * 100), ("b", b"2"))
    data = data[:where] + noise + data[where + len(noise) :]
    try:
        with open_zip(io.BytesIO(data)) as archive:
            names = archive.namelist()
            for name in names:
                read_member(archive, name, 1000)
    except BadArchive:
        return
    assert set(names) <= {"a", "b"} or noise


def test_extracting_a_zip(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        packed.writestr("a/b.txt", b"b" * 100)
        packed.writestr("../out.txt", b"out")
    with open_zip(data) as archive:
        extract_zip(archive, str(tmp_path / "folder"), 103)
        assert (tmp_path / "folder/a/b.txt").read_bytes() == b"b" * 100
        assert not (tmp_path / "out.txt").exists()
        with pytest.raises(BadArchive, match="unpacks to more than 102 bytes"):
            extract_zip(archive, str(tmp_path / "other"), 102)
    assert not (tmp_path / "other").exists()


def test_a_zip_that_lies_about_a_size_does_not_fill_the_disk(tmp_path: Path) -> None:
    data = zip_of(("big.bin", bytes(5_000_000)))
    # The declared sizes, in the header of the member and in the directory.
    true_size = (5_000_000).to_bytes(4, "little")
    assert data.count(true_size) == 2
    data = data.replace(true_size, (10).to_bytes(4, "little"))
    with open_zip(io.BytesIO(data)) as archive, pytest.raises(BadArchive):
        extract_zip(archive, str(tmp_path), 1000)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 1000


@pytest.mark.parametrize(
    ("kind", "name", "link"),
    [
        (tarfile.SYMTYPE, "a/link", "/etc/passwd"),
        (tarfile.SYMTYPE, "a/link", "../../out"),
        (tarfile.LNKTYPE, "a/link", "../out"),
        (tarfile.REGTYPE, "../out", ""),
        (tarfile.CHRTYPE, "a/device", ""),
        (tarfile.FIFOTYPE, "a/fifo", ""),
    ],
)
def test_a_member_that_leads_out_or_is_no_file_is_not_extracted(
    kind: bytes, name: str, link: str, tmp_path: Path
) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(info, io.BytesIO())
    data.seek(0)
    member = next(tar_members(data, 100_000))
    with pytest.raises(BadArchive):
        member.extract(str(tmp_path / "folder"))
    assert not [path for path in tmp_path.rglob("*") if not path.is_dir()]


def test_extracting_a_tar_with_links(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in (("a/one.txt", b"1" * 70_000), ("a/two.txt", b"2")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for kind, name, link in ((tarfile.LNKTYPE, "a/hard", "a/one.txt"), (tarfile.SYMTYPE, "a/soft", "two.txt")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            archive.addfile(info)
    data.seek(0)
    for member in tar_members(data, 1_000_000):
        member.extract(str(tmp_path))
    assert (tmp_path / "a/hard").read_bytes() == (tmp_path / "a/one.txt").read_bytes() == b"1" * 70_000
    assert (tmp_path / "a/soft").read_bytes() == b"2"
