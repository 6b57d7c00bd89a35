"""The compatibility matrix: which combinations of Python, torch and variant work, and what each takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CellStatus(StrEnum):
    """Of one group of images in one cell."""

    YES = "yes"
    CHANGES = "changes"
    """It resolves once free pins move."""
    NO = "no"
    UNKNOWN = "unknown"
    """The index, the record or the resolver does not say; never guessed."""


@dataclass(frozen=True, slots=True)
class Axis:
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageGroup:
    """Images of one variant that stand on one base, and so are solved together. ``name`` is that base's tag."""

    name: str
    variant: str
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstallSummary:
    """The result of installing a cell; ``native`` are missing shared libraries."""

    status: CellStatus
    reason: str = ""
    native: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """What is known of one group in one cell.

    ``changes`` are the pins that have to move, as (old, new). ``reason`` is one line, ``detail`` the resolver's words.
    ``settled`` is False where asking again may bring another answer: after a time-out, without a network.
    """

    status: CellStatus
    changes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    settled: bool = True


@dataclass(frozen=True, slots=True)
class CellResult:
    """An outcome as it is shown: its versions are those that versions.toml speaks of."""

    group: ImageGroup
    status: CellStatus
    changes: Mapping[str, tuple[str, str]]
    reason: str
    detail: str
    versions: Mapping[str, str]
    installed: InstallSummary | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination. ``at`` maps each axis to its value, in the order of the axes."""

    at: Mapping[str, str]
    excluded: bool = False
    results: tuple[CellResult, ...] = ()

    @property
    def name(self) -> str:
        return " ".join(f"{axis}={value}" for axis, value in self.at.items())


@dataclass(frozen=True, slots=True)
class Matrix:
    """``inputs`` is the fingerprint of all that the results depend on; of a shard, ``cells`` are only its own."""

    family: str
    inputs: str
    axes: tuple[Axis, ...]
    groups: tuple[ImageGroup, ...]
    cells: tuple[Cell, ...]
