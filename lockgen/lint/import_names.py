"""The modules of a distribution, from the names of its files."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MAX_DEPTH = 3
_DATA_FOLDER = re.compile(r"[^/]+\.data/(?:purelib|platlib)/(?P<rest>.+)")
_SUFFIXES = (".py", ".so", ".pyd")


def modules_of(files: Iterable[str]) -> frozenset[str]:
    """The dotted names of the modules and packages among the ``files`` of a wheel.

    Modules deeper than three levels are left out if a package above them is known. A namespace that several
    distributions share (`pyannote` for pyannote.audio) is not a module of any of them, unless it has its own file.
    """
    names = {_module(path) for path in files} - {""}
    found: set[str] = set()
    # Parents first.
    for name in sorted(names, key=lambda name: (name.count("."), name)):
        if not _is_covered(name, found):
            found.add(name)
    return frozenset(found)


def _is_covered(name: str, found: set[str]) -> bool:
    """Whether a package that is ``found`` stands for this module. Only a namespace goes deeper than three levels."""
    parts = name.split(".")
    if len(parts) <= _MAX_DEPTH:
        return False
    return any(".".join(parts[:length]) in found for length in range(1, len(parts)))


def top_levels(text: str) -> frozenset[str]:
    """The modules that a top_level.txt lists. setuptools writes it to the .egg-info of source distributions."""
    lines = [line.strip() for line in text.splitlines()]
    return frozenset(line.replace("/", ".") for line in lines if line)


def _module(path: str) -> str:
    """The dotted name of the module in a file, "" if it is not one."""
    in_data_folder = _DATA_FOLDER.fullmatch(path)
    if in_data_folder:
        path = in_data_folder["rest"]
    if not path.endswith(_SUFFIXES):
        return ""
    *folders, file = path.split("/")
    parts = list(folders)
    # The suffix of an extension module contains the platform: _yaml.cpython-311-x86_64-linux-gnu.so.
    stem = file.split(".")[0]
    if stem != "__init__":
        parts.append(stem)
    if not parts or not all(part.isidentifier() for part in parts):
        return ""
    return ".".join(parts)
