"""The compatibility matrix: which combinations of Python, torch and variant work, and with which pin changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CellStatus(StrEnum):
    """The status of one group of images in one cell."""

    YES = "yes"
    CHANGES = "changes"
    """It resolves if free pins change."""
    NO = "no"
    UNKNOWN = "unknown"
    """The index, the record or the resolver gives no answer; lockgen does not guess."""


class Verdict(StrEnum):
    """What is shown of one group in one cell: that it resolves is not yet that it runs."""

    RUNS = "runs"
    """It was installed, and its packages were imported."""
    RESOLVES = "resolves"
    """It was not run, or this machine could not run it."""
    FAILS = "does-not-run"
    """It resolves, but it does not install, or a package cannot be imported."""
    NO = "no"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        return self.value.replace("-", " ")


@dataclass(frozen=True, slots=True)
class Axis:
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageGroup:
    """Images of one variant that build on one base, and so are solved together. ``name`` is the tag of the base."""

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
    """The outcome of one group in one cell.

    ``changes`` are the pins that have to change, as (old, new). ``reason`` is one line, ``detail`` the output of the
    resolver. ``settled`` is False if another run may have another outcome: after a timeout or without a network.
    """

    status: CellStatus
    changes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    settled: bool = True


@dataclass(frozen=True, slots=True)
class CellResult:
    """An outcome as it is reported, with the versions of those packages only that versions.toml names."""

    group: ImageGroup
    status: CellStatus
    changes: Mapping[str, tuple[str, str]]
    reason: str
    detail: str
    versions: Mapping[str, str]
    installed: InstallSummary | None = None

    @property
    def verdict(self) -> Verdict:
        if self.status is CellStatus.NO:
            return Verdict.NO
        if self.status is CellStatus.UNKNOWN:
            return Verdict.UNKNOWN
        if self.installed is None or self.installed.status is CellStatus.UNKNOWN:
            return Verdict.RESOLVES
        return Verdict.RUNS if self.installed.status is CellStatus.YES else Verdict.FAILS


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
    """``inputs`` is the fingerprint of everything that the results depend on. A shard has only its own ``cells``."""

    family: str
    inputs: str
    axes: tuple[Axis, ...]
    groups: tuple[ImageGroup, ...]
    cells: tuple[Cell, ...]
