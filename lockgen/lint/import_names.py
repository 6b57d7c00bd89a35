"""What can be imported of a distribution, from the names of its files."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DEEPEST = 3
_SPREAD = re.compile(r"[^/]+\.data/(?:purelib|platlib)/(?P<rest>.+)")
_KINDS = (".py", ".so", ".pyd")


def modules_of(files: Iterable[str]) -> frozenset[str]:
    """The dotted names of the modules among the ``files`` of a wheel, down to three parts; packages are modules too.

    A namespace that several distributions share (`pyannote` of pyannote.audio) is none of anybody's, unless it has a
    separate file.
    """
    found: set[str] = set()
    for name in sorted({_module(path) for path in files} - {""}, key=lambda name: (name.count("."), name)):
        parts = name.split(".")
        # A package stands for everything in it; only a namespace may go deeper before its first package.
        if len(parts) <= _DEEPEST or not any(".".join(parts[:n]) in found for n in range(1, len(parts))):
            found.add(name)
    return frozenset(found)


def top_levels(text: str) -> frozenset[str]:
    """The modules that a top_level.txt names (setuptools; in source distributions' .egg-info)."""
    return frozenset(line.strip().replace("/", ".") for line in text.splitlines() if line.strip())


def _module(path: str) -> str:
    spread = _SPREAD.fullmatch(path)
    parts = (spread["rest"] if spread else path).split("/")
    if not parts[-1].endswith(_KINDS):
        return ""
    parts[-1] = parts[-1].split(".")[0]
    if parts[-1] == "__init__":
        parts.pop()
    if not parts or not all(part.isidentifier() for part in parts):
        return ""
    return ".".join(parts)
