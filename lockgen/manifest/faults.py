"""Collects the faults of versions.toml, so that a user sees all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from lockgen.core.key_path import KeyPath
from lockgen.core.toml_positions import TomlPositions, dotted
from lockgen.errors import BadInput, Fault, Place


class AddFault(Protocol):
    """What a reader of one table needs of the collector."""

    def __call__(self, path: KeyPath, message: str, hint: str | None = None) -> None: ...


class FaultCollector:
    """The faults found so far in the document ``text`` of the file ``file``."""

    def __init__(self, file: str, text: str) -> None:
        self._file = file
        self._text = text
        self._positions = TomlPositions(text)
        self._found: list[Fault] = []
        self._paths: list[KeyPath] = []

    def add(self, path: KeyPath, message: str, hint: str | None = None) -> None:
        """Add a fault at the position of ``path``, or of its nearest parent that is in the file."""
        # A missing key has no position, but the table that lacks it has one.
        known = path
        position = self._positions.find(known)
        while position is None and known:
            known = known[:-1]
            position = self._positions.find(known)
        line, column = position or (None, None)
        place = Place(self._file, line, column, dotted(path) or None)
        self._found.append(Fault(message, place, hint))
        self._paths.append(path)

    @property
    def has_any(self) -> bool:
        """Whether there is a fault."""
        return bool(self._found)

    def has(self, path: KeyPath) -> bool:
        """Whether there is a fault at ``path`` already."""
        return path in self._paths

    def add_duplicate(self, path: KeyPath, text: str, first: str) -> None:
        """Report that ``text`` names the same thing as ``first``, perhaps in another spelling."""
        spelling = "" if text == first else f", also written `{first}`"
        self.add(path, f"`{text}` is named twice{spelling}", "keep one of them")

    def has_in(self, sections: Collection[str]) -> bool:
        """Whether there is a fault in one of the top-level ``sections``."""
        return any(path and path[0] in sections for path in self._paths)

    def empty_copy(self) -> FaultCollector:
        """A collector for the same document."""
        return FaultCollector(self._file, self._text)

    def take(self, others: FaultCollector, wanted: Callable[[KeyPath, str], bool]) -> None:
        """Add the ``wanted`` faults of ``others``, by path and message, at paths that have none yet."""
        known = set(self._paths)
        for path, fault in zip(others._paths, others._found, strict=True):
            if path not in known and wanted(path, fault.message):
                self._found.append(fault)
                self._paths.append(path)

    def all_at(self, accepted: Callable[[KeyPath], bool]) -> bool:
        """Whether the path of every fault is ``accepted``."""
        return all(accepted(path) for path in self._paths)

    def error(self) -> BadInput:
        """All faults found so far, in the order of their lines."""
        return BadInput.of(sorted(self._found, key=_line))


def _line(fault: Fault) -> int:
    if fault.place is None or fault.place.line is None:
        return 0
    return fault.place.line
