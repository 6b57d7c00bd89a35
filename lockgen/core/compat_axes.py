"""What [compat] declares: the axes of the matrix, and which releases of torch's family belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lockgen.core.key_path import KeyPath

PYTHON, VARIANT, TORCH = "python", "variant", "torch"


@dataclass(frozen=True, slots=True)
class Declared:
    """An axis as written: its values, or a bound on what the index has. ``path`` are its keys in the file."""

    name: str
    values: tuple[str, ...]
    bound: str | None
    path: KeyPath

    def path_of(self, value: str) -> KeyPath:
        """Where ``value`` is written; the axis itself where a bound brought it in."""
        return (*self.path, self.values.index(value)) if value in self.values else self.path


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Cells to leave out: those within all of ``bounds`` (axis to bound, as written)."""

    bounds: Mapping[str, str]
    path: KeyPath


@dataclass(frozen=True, slots=True)
class Member:
    """One package of torch's family. ``version`` is None where no metadata says which one it is.

    ``pythons`` are those that the default index has wheels of it for; None where that is not known.
    """

    version: str | None
    pythons: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TorchRelease:
    """One torch release and what belongs to it; ``accelerator`` is that of the default index's Linux build."""

    members: Mapping[str, Member]
    accelerator: str | None = None


Pairs = Mapping[str, TorchRelease]
"""The pair table: torch's version, without a local part, to its release."""


@dataclass(frozen=True, slots=True)
class Compat:
    """[compat]. ``held`` are pins that must not move; ``pairs`` go before the table that lockgen brings."""

    axes: tuple[Declared, ...]
    variants: tuple[str, ...]
    exclude: tuple[Exclusion, ...] = ()
    held: frozenset[str] = frozenset()
    pairs: Pairs = field(default_factory=dict)


def merged(first: Pairs, over: Pairs) -> dict[str, TorchRelease]:
    """``over`` on top of ``first``, member by member: what ``over`` does not know stays as it was."""
    found = dict(first)
    for torch, release in over.items():
        known = found.get(torch, TorchRelease({}))
        members = dict(known.members)
        for name, member in release.members.items():
            old = members.get(name, Member(None))
            same = member.version is None or member.version == old.version
            pythons = member.pythons if member.pythons is not None else old.pythons if same else None
            members[name] = Member(member.version or old.version, pythons)
        found[torch] = TorchRelease(members, release.accelerator or known.accelerator)
    return found
