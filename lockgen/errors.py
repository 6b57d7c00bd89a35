"""The one tree of errors: what, where, why, what to do; one exit code per class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    FOUND = 1
    """A check found something."""
    BAD_INPUT = 2
    NO_RESOLUTION = 3
    """No lock can be made from these inputs."""
    TOOL = 4
    """A tool, the network, an index or the disk failed."""
    BUG = 70
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault is: a file, and in it a line and a column (both from 1) or a dotted path."""

    file: str
    line: int | None = None
    column: int | None = None
    dotted: str | None = None

    def __str__(self) -> str:
        text = self.file
        if self.line is not None:
            text += f":{self.line}" + (f":{self.column}" if self.column is not None else "")
        return f"{text} ({self.dotted})" if self.dotted else text


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``reason`` is somebody else's text (a resolver's), kept whole.

    ``path`` are the keys in versions.toml that it is about, for who knows no lines; whoever has the text makes a
    place of it.
    """

    message: str
    place: Place | None = None
    hint: str | None = None
    reason: str | None = None
    path: tuple[str | int, ...] | None = None


class LockgenError(Exception):
    """What a person can be told and act on. Carries every fault that was found, not only the first."""

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
        """One error for all of ``faults`` (at least one)."""
        found = tuple(faults)
        error = cls(found[0].message)
        error.faults = found
        return error


class BadInput(LockgenError):
    """versions.toml, another input file or the command line is at fault."""

    exit_code = Exit.BAD_INPUT


class NoResolution(LockgenError):
    """The inputs are well formed, and no lock can be made of them."""

    exit_code = Exit.NO_RESOLUTION


class ToolFailed(LockgenError):
    """A tool, the network, an index or the disk failed; the inputs may be fine."""

    exit_code = Exit.TOOL


class Refused(ToolFailed):
    """A server does not take this one thing; it may well take another."""


class TimedOut(ToolFailed):
    """A tool was still running at its time limit: asking again would take as long."""
