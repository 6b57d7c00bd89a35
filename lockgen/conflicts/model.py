"""Resolver verdicts, the constraints of versions.toml, the conflicts between them, and repairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from lockgen.core.key_path import KeyPath

_NOT_EXACT = ("*", ",", ";", "<", ">", "~", "!=")
"""Signs of a requirement that may allow several versions. An epoch ("1!0.5") contains "!" and is exact."""


class Answer(StrEnum):
    """Yes, no or unknown (guarantee 10). Unknown: a timeout, a failed build, a file that the cache lacks."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A resolver's answer to a request.

    ``reason`` is the resolver's own explanation of a no, or the cause of an unknown; ``versions`` is the solution of a
    yes.
    """

    answer: Answer
    reason: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Constraint:
    """One line of versions.toml that restricts the solution.

    A pin ("numpy==1.24.3"), a requirement with a bound ("numpy>=2"), or a bare requirement of an unpinned package
    ("numpy", kind "ask").

    ``path`` is its key path in the file, ``other_paths`` are further places with the same text. ``requested_by`` lists
    the images that require the package by name. ``held`` pins must not move.
    """

    name: str
    kind: Literal["pin", "bound", "ask"]
    text: str
    # Places and images do not count in comparisons: two variants can have one line at different places.
    path: KeyPath = field(compare=False)
    requested_by: tuple[str, ...] = field(default=(), compare=False)
    held: bool = False
    other_paths: tuple[KeyPath, ...] = field(default=(), compare=False)

    @property
    def version(self) -> str | None:
        """The only version that it allows; None if it may allow several."""
        _, equals, version = self.text.partition("==")
        if not equals:
            return None
        # "===" compares strings, not versions.
        if version.startswith("="):
            return None
        if any(sign in self.text for sign in _NOT_EXACT):
            return None
        return version


@dataclass(frozen=True, slots=True)
class UnmetRequirement:
    """A requirement of one exact version that another constraint violates: whisperx 3.7.2 needs torch>=2.7.1.

    With ``via``, it is indirect: transformers 4.35.0 needs tokenizers>=0.14,<0.15, and those versions need
    huggingface-hub>=0.16.4,<0.18.

    With ``against``, it is one of two requirements of the same package that no release meets together: scipy 1.11.4
    needs numpy<1.28.0, whisperx 3.7.2 needs numpy>=2.0.2.
    """

    name: str
    version: str
    needs: str
    bound: str
    via: str = ""
    against: UnmetRequirement | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A minimal set of constraints without a solution: without any one of them, the others have one.

    ``variants`` are the variants that have the conflict. ``unmet`` are the requirements that cause it, as far as
    package metadata shows it; ``reason`` is the resolver's explanation for just these constraints; ``unavailable``
    says what an index does not have. ``proved_minimal`` is False if the search ended before it had proved that.
    """

    constraints: tuple[Constraint, ...]
    variants: tuple[str, ...]
    reason: str
    unmet: tuple[UnmetRequirement, ...] = ()
    unavailable: tuple[str, ...] = ()
    proved_minimal: bool = True


@dataclass(frozen=True, slots=True)
class Correction:
    """A minimal set of constraints to drop. The others have the solution ``versions``; with any one of these, none."""

    constraints: tuple[Constraint, ...]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The conflicts of one variant, or of several variants.

    ``unknown`` lists why some requests have no answer. ``complete`` means that these are all conflicts; otherwise
    the search ended early or an answer is missing. ``joint`` means that the variants were resolved as one family, with
    one version of each package (guarantee 2); otherwise each was resolved by itself. ``asked`` counts the resolver
    calls.
    """

    variants: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    corrections: tuple[Correction, ...]
    unknown: tuple[str, ...]
    complete: bool
    asked: int
    joint: bool = False


@dataclass(frozen=True, slots=True)
class PinChange:
    """A change of one constraint. ``to`` is the new version, None if the bound is removed.

    ``steps`` counts the releases from the old version to the new one (1 for the next), None if it is unknown. ``why``
    is the requirement of a chosen package that the old version does not meet.
    """

    constraint: Constraint
    to: str | None
    steps: int | None = None
    why: UnmetRequirement | None = None


@dataclass(frozen=True, slots=True, order=True)
class Listing:
    """A package to list on an index of the family that has it, because the default index does not.

    ``variants`` are those that need it and use no index yet. ``text`` is the requirement or pin at ``path``. With
    ``recorded``, the index has to be recorded again.
    """

    package: str
    index: str
    variants: tuple[str, ...]
    text: str
    path: KeyPath
    recorded: bool = False


@dataclass(frozen=True, slots=True, order=True)
class NewPin:
    """A pin of a package that has none, because the resolver stops at its release that ``why`` is about."""

    package: str
    version: str
    why: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """Changes that make the family resolve, verified with every variant. ``versions`` has a solution per variant.

    ``accelerator`` is the new accelerator of torch ("cu124"), "" if the proposal keeps it.
    """

    moves: tuple[PinChange, ...]
    images: tuple[str, ...]
    versions: Mapping[str, Mapping[str, str]]
    accelerator: str = ""
    listings: tuple[Listing, ...] = ()
    new_pins: tuple[NewPin, ...] = ()

    @property
    def size(self) -> int:
        """The number of changes."""
        return len(self.moves) + len(self.listings) + len(self.new_pins)


@dataclass(frozen=True, slots=True)
class Override:
    """A single requirement that blocks the family.

    If ``package`` required ``instead``, the family would resolve without any change. The resolver confirmed it.
    """

    package: str
    version: str
    needs: str
    instead: str


@dataclass(frozen=True, slots=True)
class Repairs:
    """Proposals, the smallest first. ``complete`` means that no proposal has fewer changes than the first.

    The last one may change an accelerator. It is there only if it has fewer changes than all others.
    """

    proposals: tuple[Proposal, ...]
    overrides: tuple[Override, ...]
    conflicts: tuple[Conflict, ...]
    unknown: tuple[str, ...]
    complete: bool
    asked: int
