"""The shared objects of an environment: the libraries that they are linked to, or load by name at run time.

This is the only module that uses pyelftools. auditwheel knows more (symbol versions, policies), but it inspects a wheel
file, not an installation, and its modules are private.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, distributions
from io import BufferedReader
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from lockgen.proof.model import Binary

_SHARED = re.compile(r"\.so(\.[\d.]+)?$")

# cuDNN since version 8 is a small library that loads its parts at run time, by names that are C strings in .rodata.
# Other libraries load cuBLAS or NCCL in this way. Only CUDA libraries are searched: most other names there are optional
# (a sound server, a GPU of another vendor). The pattern begins with a literal, as a search for one is 60 times as fast.
_OPENED = re.compile(rb"lib(?:cudnn|cublas|cufft|curand|cusolver|cusparse|nccl|nvrtc)[\w-]*\.so\.\d[\d.]*(?=\x00)")
_INSIDE_NAME = re.compile(rb"[\w./-]")


def binaries(site: Path) -> list[Binary]:
    """Every shared object that the distributions in ``site`` installed, sorted. Unreadable files are omitted."""
    found: list[Binary] = []
    for distribution in distributions(path=[str(site)]):
        owner = f"{distribution.metadata['Name']} {distribution.version}"
        for path in _shared_objects(distribution):
            try:
                status = path.stat()
            except OSError:
                continue
            identity = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            binary = _read(path, owner, identity)
            if binary is not None:
                found.append(binary)
    return sorted(found)


def _shared_objects(distribution: Distribution) -> Iterator[Path]:
    for file in distribution.files or ():
        if _SHARED.search(file.name):
            yield Path(str(distribution.locate_file(file)))


# The images of a family share most files, and pyelftools needs seconds for those of torch.
@cache
def _read(path: Path, owner: str, identity: tuple[int, ...]) -> Binary | None:
    """``identity`` changes with the file."""
    try:
        with path.open("rb") as file:
            return _parse(file, path.name, owner)
    # A linker script or a truncated file may have the name of a shared object.
    except (ELFError, OSError, ValueError):
        return None


def _parse(file: BufferedReader, name: str, owner: str) -> Binary | None:
    elf = ELFFile(file)
    dynamic = next((segment for segment in elf.iter_segments() if isinstance(segment, DynamicSegment)), None)
    if dynamic is None:
        return None
    sonames = _dynamic_tags(dynamic, "soname")
    text = elf.get_section_by_name(".rodata")
    opened: tuple[str, ...] = ()
    if text is not None:
        start = text["sh_offset"]
        opened = _opened(file.fileno(), start, start + text["sh_size"])
    return Binary(
        owner=owner,
        file=name,
        soname=sonames[0] if sonames else "",
        needed=_dynamic_tags(dynamic, "needed"),
        opened=opened,
    )


def _dynamic_tags(dynamic: DynamicSegment, kind: str) -> tuple[str, ...]:
    # pyelftools stores the value of DT_NEEDED in the attribute `needed`.
    tags = dynamic.iter_tags(f"DT_{kind.upper()}")
    return tuple(str(getattr(tag, kind)) for tag in tags)


def _opened(descriptor: int, start: int, end: int) -> tuple[str, ...]:
    if start >= end:
        return ()
    # torch has hundreds of MB of .rodata, so the file is mapped instead of read.
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
        matches = _OPENED.finditer(content, start, end)
        names = {match[0].decode() for match in matches if not _continues(content, start, match.start())}
    return tuple(sorted(names))


def _continues(content: mmap.mmap, start: int, position: int) -> bool:
    """Whether the text at ``position`` is not the beginning of a name, but a part of a path or of a longer one."""
    return position > start and _INSIDE_NAME.match(content, position - 1) is not None
