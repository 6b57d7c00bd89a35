"""What [compat] declares: the axes of the matrix, and which releases of torch's family belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lockgen.core.key_path import KeyPath

PYTHON, VARIANT, TORCH = "python", "variant", "torch"


class Declared(NamedTuple):
    """An axis as written: its values, or a specifier for the versions on the index. ``path`` is where it is written."""

    name: str
    values: tuple[str, ...]
    bound: str | None
    path: KeyPath

    def path_of(self, value: str) -> KeyPath:
        """Where ``value`` is written; the path of the axis if a specifier matched it."""
        if value in self.values:
            return (*self.path, self.values.index(value))
        return self.path


class Exclusion(NamedTuple):
    """Cells to leave out: those within all of ``bounds`` (axis to bound, as written)."""

    bounds: Mapping[str, str]
    path: KeyPath


@dataclass(frozen=True, slots=True)
class Member:
    """One package of torch's family. ``version`` is None if no metadata names it.

    ``pythons`` are the Python versions with wheels on the default index; None if they are not known.
    """

    version: str | None
    pythons: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TorchRelease:
    """One torch release and its partners; ``accelerator`` is that of the Linux build on the default index."""

    members: Mapping[str, Member]
    accelerator: str | None = None


Pairs = Mapping[str, TorchRelease]
"""The pair table: version of torch, without a local part, to its release."""


@dataclass(frozen=True, slots=True)
class Compat:
    """[compat]. ``held`` are pins that must not change; ``pairs`` override the table that lockgen ships."""

    axes: tuple[Declared, ...]
    variants: tuple[str, ...]
    exclude: tuple[Exclusion, ...] = ()
    held: frozenset[str] = frozenset()
    pairs: Pairs = field(default_factory=dict)


def merged(first: Pairs, over: Pairs) -> dict[str, TorchRelease]:
    """``first`` with the values of ``over``, member by member: a value that ``over`` does not have stays."""
    found = dict(first)
    for torch, release in over.items():
        known = found.get(torch, TorchRelease({}))
        members = dict(known.members)
        for name, member in release.members.items():
            members[name] = _merged_member(members.get(name, Member(None)), member)
        accelerator = release.accelerator or known.accelerator
        found[torch] = TorchRelease(members, accelerator)
    return found


def _merged_member(old: Member, new: Member) -> Member:
    if new.version is None or new.version == old.version:
        pythons = old.pythons if new.pythons is None else new.pythons
        return Member(old.version, pythons)
    # The wheels of another version may be for other Python versions.
    return new
