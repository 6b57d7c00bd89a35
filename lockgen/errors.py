"""The errors of lockgen: what, where, why and a hint; one exit code per class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FOUND = 1
    """A check has findings."""
    BAD_INPUT = 2
    NO_RESOLUTION = 3
    """The inputs have no solution."""
    TOOL = 4
    """A tool, the network, an index or the disk failed."""
    BUG = 70
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault is: a file, with a line and a column (both from 1) or a dotted path in it."""

    file: str
    line: int | None = None
    column: int | None = None
    dotted: str | None = None

    def __str__(self) -> str:
        # Editors and terminals open FILE:LINE:COLUMN at that place.
        text = self.file
        if self.line is not None:
            text += f":{self.line}"
            if self.column is not None:
                text += f":{self.column}"
        return f"{text} ({self.dotted})" if self.dotted else text


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``reason`` is the unchanged text of a tool, such as a resolver.

    ``path`` has the keys in versions.toml that it is about. Code without the text of the file sets it, and a caller
    that has the text turns it into ``place``.
    """

    message: str
    place: Place | None = None
    hint: str | None = None
    reason: str | None = None
    path: tuple[str | int, ...] | None = None


class LockgenError(Exception):
    """An error that the user can act on. It has every fault that was found, not only the first."""

    # Subclasses set another one: an error of this class itself is a bug.
    exit_code = Exit.BUG

    def __init__(
        self,
        message: str,
        *,
        place: Place | None = None,
        hint: str | None = None,
        reason: str | None = None,
        path: tuple[str | int, ...] | None = None,
    ) -> None:
        super().__init__(message)
        self.faults: tuple[Fault, ...] = (Fault(message, place, hint, reason, path),)

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> Self:
        """One error for all of ``faults``, which must not be empty."""
        found = tuple(faults)
        error = cls(found[0].message)
        error.faults = found
        return error


class BadInput(LockgenError):
    """versions.toml, another input file or the command line is wrong."""

    exit_code = Exit.BAD_INPUT


class FlatIndex(BadInput):
    """The URL of an index is a flat list of files: no question about this index has an answer."""


class NoResolution(LockgenError):
    """The inputs are valid, but they have no solution."""

    exit_code = Exit.NO_RESOLUTION


class DoesNotRun(LockgenError):
    """Versions resolve, but images do not run with them."""

    exit_code = Exit.FOUND


class ToolFailed(LockgenError):
    """A tool, the network, an index or the disk failed; the inputs may be fine."""

    exit_code = Exit.TOOL


class Refused(ToolFailed):
    """A server refused one request. It may accept others."""


class TimedOut(ToolFailed):
    """A tool exceeded its time limit. Running it again would take as long."""
