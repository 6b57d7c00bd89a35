"""Read zip and tar files from outside, within bounds on memory, members and unpacked bytes.

`zipfile` and `tarfile` trust the headers of an archive: the size of a member, the length of a header, the number of
members. They raise a dozen kinds of errors for a damaged one. Here all of them are BadArchive.
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Protocol, cast

_ERRORS = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    # KeyError: no such member. RuntimeError: an encrypted member, an unknown compression, or too deep a recursion.
    *(EOFError, OSError, ValueError, KeyError, RuntimeError, OverflowError, TypeError, IndexError, AttributeError),
)
_MOST_MEMBERS = 200_000
"""The most members of a zip. A wheel of torch has 12,000."""
_MOST_ENTRIES = 5_000_000
"""The most members of a tar. A layer with a whole operating system has 200,000."""
_LARGEST_READ = 1024 * 1024
"""The most bytes that tarfile may read at once: the long name or the extended header of one member."""
_LONGEST_PATH = 4096
"""The most characters of a member's path, as on Linux."""
_CHUNK = 64 * 1024
_MAGIC = 6
"""Bytes at the start of a stream that show how it is compressed."""


class BadArchive(Exception):
    """An archive is damaged, is not of the expected kind, or exceeds a bound. The message says which."""


class Readable(Protocol):
    """Something with bytes to read; it need not be seekable."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...


# -- zip ---------------------------------------------------------------------------


@contextlib.contextmanager
def open_zip(source: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """The zip file ``source``, closed at the end. Members are read with `read_member`.

    Raises:
        BadArchive: it is not a zip file, or has too many members.
    """
    with archive_errors():
        archive = zipfile.ZipFile(source)
    with archive:
        if len(archive.infolist()) > _MOST_MEMBERS:
            raise BadArchive(f"it has more than {_MOST_MEMBERS} members")
        # zipfile's own methods fail for such a member.
        if not all(member.filename for member in archive.infolist()):
            raise BadArchive("a member has no name")
        yield archive


def read_member(archive: zipfile.ZipFile, member: str | zipfile.ZipInfo, largest: int) -> bytes:
    """The content of ``member``, which unpacks to at most ``largest`` bytes.

    Raises:
        BadArchive: it has more bytes, whatever the archive says; or it is missing or damaged.
    """
    name = member if isinstance(member, str) else member.filename
    with archive_errors(), archive.open(member) as stream:
        # Without a size, `read` unpacks all input at once before it compares with the size that the archive declares.
        data = stream.read(largest + 1)
    if len(data) > largest:
        raise BadArchive(f"{name} has more than {largest} bytes")
    return data


def extract_zip(archive: zipfile.ZipFile, folder: str, most_bytes: int) -> None:
    """Write all members, which unpack to at most ``most_bytes``, to ``folder``.

    Raises:
        BadArchive: they have more bytes, or one is damaged.
    """
    # zipfile writes no member outside of the folder, and stops a member at its declared size.
    if sum(member.file_size for member in archive.infolist()) > most_bytes:
        raise BadArchive(f"it unpacks to more than {most_bytes} bytes")
    with archive_errors():
        archive.extractall(folder)  # noqa: S202


@contextlib.contextmanager
def archive_errors() -> Iterator[None]:
    """Raise BadArchive for every error of zipfile, tarfile and the modules that they use."""
    try:
        yield
    except _ERRORS as error:
        raise BadArchive(str(error) or type(error).__name__) from error
    except MemoryError as error:
        raise BadArchive("it needs too much memory") from error


# -- tar ---------------------------------------------------------------------------


class TarMember:
    """One member of a tar while it is the current one. ``info`` has its name, type and size."""

    def __init__(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        self._archive = archive
        self.info = info

    def open(self) -> Readable:
        """The content of a regular file, to read before the next member is taken.

        Raises:
            BadArchive: it is not a file. Reading raises it, too, if the archive is damaged.
        """
        with archive_errors():
            stream = self._archive.extractfile(self.info)
        if stream is None:
            raise BadArchive(f"{self.info.name} is not a file")
        return _Checked(stream)

    def extract(self, folder: str) -> None:
        """Write the member to ``folder``.

        Raises:
            BadArchive: it is damaged, leads out of the folder, or is a device.
        """
        with archive_errors():
            self._archive.extract(self.info, folder, filter="data")

    def read(self, largest: int) -> bytes:
        """The content of a regular file.

        Raises:
            BadArchive: it has more than ``largest`` bytes, or is damaged.
        """
        if self.info.size > largest:
            raise BadArchive(f"{self.info.name} has more than {largest} bytes")
        data = bytearray()
        stream = self.open()
        while chunk := stream.read(_CHUNK):
            data += chunk
        return bytes(data)


class _Checked:
    """A stream whose errors are BadArchive."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        with archive_errors():
            return self._stream.read(size)


def tar_members(stream: Readable, most_bytes: int) -> Iterator[TarMember]:
    """The members of a tar, compressed or not, in one pass: ``stream`` may be a pipe or a download.

    The tar unpacks to at most ``most_bytes``.

    Raises:
        BadArchive: it is not a tar, or exceeds a bound.
    """
    source = _ForwardFile(_unpacked(stream), most_bytes)
    with archive_errors(), tarfile.open(fileobj=cast(IO[bytes], source), mode="r:") as archive:
        for _ in range(_MOST_ENTRIES):
            info = archive.next()
            if info is None:
                # tarfile also takes a damaged header for the end.
                if source.latest.strip(b"\0"):
                    raise BadArchive("the header of a member is damaged")
                return
            if len(info.name) > _LONGEST_PATH:
                raise BadArchive(f"a path has {len(info.name)} characters, at most {_LONGEST_PATH} are allowed")
            yield TarMember(archive, info)
            # tarfile keeps every member for a search by name, which is not needed here.
            archive.members.clear()  # type: ignore[attr-defined]
        raise BadArchive(f"it has more than {_MOST_ENTRIES} members")


def _unpacked(stream: Readable) -> Readable:
    head = stream.read(_MAGIC)
    joined = JoinedStream(head, stream)
    if head.startswith(b"\x1f\x8b"):
        return _Gzip(joined)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(cast(IO[bytes], joined))
    if head.startswith(b"\xfd7zXZ"):
        return lzma.LZMAFile(cast(IO[bytes], joined))
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        raise BadArchive("it is compressed with Zstandard, which this Python cannot read")
    return joined


class JoinedStream:
    """A stream whose first bytes, ``head``, were read already."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes, all by default; fewer only at the end."""
        if size < 0:
            data = self._head + self._rest.read()
            self._head = b""
            return data
        data, self._head = self._head[:size], self._head[size:]
        while len(data) < size:
            more = self._rest.read(size - len(data))
            if not more:
                break
            data += more
        return data


class _Gzip:
    """Unpacks gzip, several members included, a piece at a time."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._packed = b""
        self._inflater = zlib.decompressobj(wbits=31)
        self._is_started = False

    def read(self, size: int = -1, /) -> bytes:
        pieces: list[bytes] = []
        missing = size
        while missing > 0:
            piece = self._piece(missing)
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def _piece(self, most: int) -> bytes:
        """At most ``most`` unpacked bytes; none at the end."""
        while True:
            if not self._packed:
                self._packed = self._stream.read(_CHUNK)
            if not self._packed:
                if self._is_started and not self._inflater.eof:
                    raise EOFError("the compressed file ends early")
                return b""
            if self._inflater.eof:
                # Zeros may follow the last member; anything else is another one.
                self._packed = self._packed.lstrip(b"\0")
                if not self._packed:
                    continue
                self._inflater = zlib.decompressobj(wbits=31)
            self._is_started = True
            piece = self._inflater.decompress(self._packed, most)
            self._packed = self._inflater.unconsumed_tail or self._inflater.unused_data
            if piece:
                return piece


class _ForwardFile:
    """A file for tarfile that reads its stream once, from start to end, and counts.

    tarfile seeks to the byte before the next header and reads it: one byte back is possible, and no more. So a header
    that leads backwards, and would make tarfile read the same members again and again, is an error.
    """

    def __init__(self, stream: Readable, most_bytes: int) -> None:
        self._stream = stream
        self._most = most_bytes
        self._position = 0
        self._is_back = False
        self.latest = b""
        """The bytes of the last read."""

    def tell(self) -> int:
        return self._position - self._is_back

    def seek(self, position: int, whence: int = 0) -> int:
        if whence != 0:
            raise BadArchive("it cannot be read from start to end")
        if position == self._position - 1 and self.latest:
            self._is_back = True
            return position
        if position < self.tell():
            raise BadArchive("a header points backwards")
        missing = position - self.tell()
        while missing > 0:
            skipped = len(self.read(min(missing, _CHUNK)))
            if not skipped:
                break
            missing -= skipped
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _LARGEST_READ:
            raise BadArchive(f"a header has more than {_LARGEST_READ} bytes")
        if not size:
            return b""
        before = b""
        if self._is_back:
            self._is_back = False
            before = self.latest[-1:]
        return before + self._read(size - len(before))

    def _read(self, size: int) -> bytes:
        chunks: list[bytes] = []
        missing = size
        while missing > 0:
            chunk = self._stream.read(missing)
            if not chunk:
                break
            chunks.append(chunk)
            missing -= len(chunk)
        self.latest = data = b"".join(chunks)
        self._position += len(data)
        if self._position > self._most:
            raise BadArchive(f"it unpacks to more than {self._most} bytes")
        return data
