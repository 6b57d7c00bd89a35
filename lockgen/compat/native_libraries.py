"""Shared libraries that installed wheels need and no package provides: resolvers do not see these needs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from lockgen.compat.install_model import Binary

# What a manylinux wheel may ask of its system (PEP 513 to 600), in two halves. The first every glibc image with a
# Python has: glibc's own, the compiler's, zlib and expat.
_EVERYWHERE = re.compile(
    r"(ld-linux[\w-]*|libc|libm|libmvec|libdl|librt|libpthread|libresolv|libutil|libnsl|libanl|libgcc_s|libstdc\+\+"
    r"|libatomic|libz|libexpat)\.so\.\d+"
)
# The second is there on a desktop, and in a slim image only where apt brought it.
_DESKTOP = re.compile(
    r"(libX11|libXext|libXrender|libICE|libSM|libGL|libgobject-2\.0|libgthread-2\.0|libglib-2\.0)\.so\.\d+"
)
# The NVIDIA driver's own: put into a container when it starts (NVIDIA_DRIVER_CAPABILITIES), never part of an image.
_DRIVER = re.compile(r"(libcuda|libnvidia-[\w-]+|libnvcuvid)\.so\.\d+")


def missing(binaries: Sequence[Binary], system: Collection[str] = ()) -> tuple[str, ...]:
    """A warning for each library that a package asks for and neither the wheels, every glibc image nor ``system`` has.

    A library that some wheel holds counts as provided wherever it is: besides RPATH, packages load one another's
    libraries before they are needed (torch does so with the nvidia wheels).
    """
    there = {binary.file for binary in binaries} | {binary.soname for binary in binaries} | set(system)
    found = set()
    for binary in binaries:
        for name in binary.needed:
            if name not in there and (why := _unmet(name)):
                found.add(f"{binary.owner} asks for {name}, {why}")
        for name in binary.opened:
            if name not in there and _unmet(name):
                found.add(f"{binary.owner} opens {name} while it runs, which nobody provides")
    return tuple(sorted(found))


def _unmet(name: str) -> str:
    if _EVERYWHERE.fullmatch(name) or _DRIVER.fullmatch(name):
        return ""
    if _DESKTOP.fullmatch(name):
        return "which is left to the system: a slim image has it only where apt brings it"
    return "which nobody provides"
