"""What a resolver said of a question, and what of versions.toml cannot hold together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from lockgen.core.key_path import KeyPath


class Answer(StrEnum):
    """Yes, no or unknown (law 10): unknown is a time-out, a build that failed, a file that the cache lacks."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A resolver's answer. ``reason`` is its own words for a no, or why nobody can tell; ``versions`` are those
    of a yes.
    """

    answer: Answer
    reason: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Constraint:
    """One thing that versions.toml says and could say otherwise.

    A pin ("numpy==1.24.3"), a requirement with a bound ("numpy>=2"), or one of what nobody pins ("numpy"). ``path`` are
    its keys in the file, ``also`` those of other places that say the same; ``askers`` the images that ask for the
    package by name. What says the same is the same: two variants see one line from different places.
    """

    name: str
    kind: Literal["pin", "bound", "ask"]
    text: str
    path: KeyPath = field(compare=False)
    askers: tuple[str, ...] = field(default=(), compare=False)
    held: bool = False
    also: tuple[KeyPath, ...] = field(default=(), compare=False)

    @property
    def version(self) -> str | None:
        """The one version that it allows; None where there may be more."""
        _, equals, version = self.text.partition("==")
        # "1!0.5" has an epoch and is exact; "!=" is a bound.
        exact = bool(equals) and version[:1] != "=" and not any(sign in self.text for sign in (*",;*<>~", "!="))
        return version if exact else None


@dataclass(frozen=True, slots=True)
class Link:
    """A need of one exact version that another element does not meet: whisperx 3.7.2 needs torch>=2.7.1.

    With ``via`` it is the need of what that version needs: transformers 4.35.0 needs tokenizers>=0.14,<0.15, and those
    need huggingface-hub>=0.16.4,<0.18. With ``against`` it is the need of another exact version that no release of
    ``needs`` meets together with this one: scipy 1.11.4 needs numpy<1.28.0, whisperx 3.7.2 needs numpy>=2.0.2.
    """

    name: str
    version: str
    needs: str
    bound: str
    via: str = ""
    against: Link | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Elements that cannot hold together, while any of them may be left out and the rest can. ``variants`` feel it.

    ``links`` are the needs that make it so, as far as metadata says it in one step; ``reason`` is the resolver's own
    derivation of just these elements; ``never`` says what an index does not have at all. ``proved`` is False where a
    search that ended early has not shown that it is minimal.
    """

    elements: tuple[Constraint, ...]
    variants: tuple[str, ...]
    reason: str
    links: tuple[Link, ...] = ()
    never: tuple[str, ...] = ()
    proved: bool = True


@dataclass(frozen=True, slots=True)
class Correction:
    """The smallest sets of elements to let go of: without them the rest holds, with any one of them kept it does
    not.
    """

    elements: tuple[Constraint, ...]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known of a variant (or of several that are alike). ``unknown`` are questions that had no answer, and why.

    ``complete`` says that there is no other conflict; else it ended early, or some answer is missing. ``joint``: the
    variants were asked as one family, with one version of each package (law 2); else each by itself.
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
    """An element that changes. ``to`` is its new version, None where a bound is let go of.

    ``steps`` counts the releases from the old version to the new one (1 for the next), None where nobody can tell.
    ``why`` is the need, of what is chosen now, that the old version does not meet.
    """

    element: Constraint
    to: str | None
    steps: int | None = None
    why: Link | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """Moves after which the family resolves: that was asked, with every variant. ``versions`` is what came out."""

    moves: tuple[PinChange, ...]
    images: tuple[str, ...]
    versions: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Override:
    """The one need that stands in the way: with ``package`` asking for ``instead``, nothing has to move.

    That was asked too.
    """

    package: str
    version: str
    needs: str
    instead: str


@dataclass(frozen=True, slots=True)
class Repairs:
    """Proposals, the smallest first. ``complete`` says that there is none with fewer moves than the first."""

    proposals: tuple[Proposal, ...]
    overrides: tuple[Override, ...]
    conflicts: tuple[Conflict, ...]
    unknown: tuple[str, ...]
    complete: bool
    asked: int
