"""Shared libraries that installed wheels require and no package provides. Resolvers do not know about these."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from lockgen.proof.model import Binary

# The libraries that a manylinux wheel may require of its system (PEP 513 to 600), in two halves. The first half is in
# every glibc image with a Python: glibc, the compiler's libraries, zlib and expat.
_EVERYWHERE = re.compile(
    r"(ld-linux[\w-]*|libc|libm|libmvec|libdl|librt|libpthread|libresolv|libutil|libnsl|libanl|libgcc_s|libstdc\+\+"
    r"|libatomic|libz|libexpat)\.so\.\d+"
)
# The second half is on every desktop, but in a slim image only if apt installed it.
_DESKTOP = re.compile(
    r"(libX11|libXext|libXrender|libICE|libSM|libGL|libgobject-2\.0|libgthread-2\.0|libglib-2\.0)\.so\.\d+"
)
# The NVIDIA driver is mounted into a container when it starts (NVIDIA_DRIVER_CAPABILITIES); it is never in an image.
_DRIVER = re.compile(r"(libcuda|libnvidia-[\w-]+|libnvcuvid)\.so\.\d+")


_NOT_PROVIDED = "which no package provides"


def missing(binaries: Sequence[Binary], system: Collection[str] = ()) -> tuple[str, ...]:
    """A warning for each required library that is in no wheel, not in every glibc image, and not in ``system``."""
    # A library in any wheel counts as provided, wherever it is: besides RPATH, packages load the libraries of other
    # packages before they are needed (torch does so with the nvidia wheels).
    provided = set(system)
    for binary in binaries:
        provided |= {binary.file, binary.soname}
    warnings: set[str] = set()
    for binary in binaries:
        warnings.update(_warnings(binary, provided))
    return tuple(sorted(warnings))


def _warnings(binary: Binary, provided: set[str]) -> Iterable[str]:
    for name in binary.needed:
        problem = _problem(name)
        if problem and name not in provided:
            yield f"{binary.owner} requires {name}, {problem}"
    for name in binary.opened:
        if _problem(name) and name not in provided:
            yield f"{binary.owner} loads {name} at run time, {_NOT_PROVIDED}"


def is_of_driver(name: str) -> bool:
    """Whether a library is a part of NVIDIA's driver, which no image has."""
    return _DRIVER.fullmatch(name) is not None


def _problem(name: str) -> str:
    """Why a library that no wheel provides may be missing in an image; "" if every image has it."""
    if _EVERYWHERE.fullmatch(name) or is_of_driver(name):
        return ""
    if _DESKTOP.fullmatch(name):
        return "which the system must provide: a slim image has it only if apt installs it"
    return _NOT_PROVIDED
