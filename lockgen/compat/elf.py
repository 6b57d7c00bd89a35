"""The shared objects of an environment: which libraries they are linked to, and which CUDA libraries they open by name.

The one door to pyelftools. auditwheel answers more (symbol versions, policies), but of a wheel file, not of what is
installed, and by modules that it calls private.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from lockgen.compat.install_model import Binary

_SHARED = re.compile(r"\.so(\.[\d.]+)?$")

# cuDNN since version 8 is a small library that opens its parts while it runs, by names that stand in its text as C
# strings; others open cuBLAS or NCCL so. Other names in a text are mostly choices (a sound server, a GPU of another
# maker) that are never missed: so only these are looked for.
_OPENED = re.compile(
    rb"(?<![\w./-])lib(?:cudnn|cublas|cufft|curand|cusolver|cusparse|nccl|nvrtc)[\w-]*\.so\.\d[\d.]*(?=\x00)"
)


def binaries(site: Path) -> list[Binary]:
    """Every shared object that the distributions in ``site`` installed, sorted; what cannot be read as one is none."""
    return sorted(
        binary
        for installed in distributions(path=[str(site)])
        for path in _shared(installed)
        if (binary := _read(path, f"{installed.metadata['Name']} {installed.version}")) is not None
    )


def _shared(installed: Distribution) -> Iterator[Path]:
    for file in installed.files or ():
        if _SHARED.search(file.name):
            yield Path(str(installed.locate_file(file)))


def _read(path: Path, owner: str) -> Binary | None:
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            dynamic = next((part for part in elf.iter_segments() if isinstance(part, DynamicSegment)), None)
            if dynamic is None:
                return None
            needed, sonames = _texts(dynamic, "needed"), _texts(dynamic, "soname")
            text = elf.get_section_by_name(".rodata")
            span = (text["sh_offset"], text["sh_offset"] + text["sh_size"]) if text is not None else (0, 0)
            return Binary(owner, path.name, sonames[0] if sonames else "", needed, _opened(file.fileno(), *span))
    except (ELFError, OSError, ValueError):
        return None


def _texts(dynamic: DynamicSegment, kind: str) -> tuple[str, ...]:
    # A tag has its text as an attribute that is called as its kind is.
    return tuple(str(getattr(tag, kind)) for tag in dynamic.iter_tags(f"DT_{kind.upper()}"))


def _opened(descriptor: int, start: int, end: int) -> tuple[str, ...]:
    if start >= end:
        return ()
    # torch's texts are hundreds of MB: mapped, not read.
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
        return tuple(sorted({match[0].decode() for match in _OPENED.finditer(content, start, end)}))
