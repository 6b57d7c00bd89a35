"""What an image is made of, for a bill of materials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lockgen.core.lock import Package


@dataclass(frozen=True, slots=True)
class Part:
    """A package in an image, and the names of what it needs there: extras count if they are required."""

    package: Package
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BomReference:
    """One image of a chain: its full reference, what it asks for by name, and the one that it stands on."""

    reference: str
    asks: tuple[str, ...]
    below: str


@dataclass(frozen=True, slots=True)
class Bill:
    """``chain`` begins with the image itself and ends with the root base; ``base_image`` is what that stands on.

    ``indexes`` maps an index's name to its URL without credentials; ``moment`` is None where nothing says one.
    """

    chain: tuple[BomReference, ...]
    base_image: str
    parts: tuple[Part, ...]
    indexes: dict[str, str]
    moment: datetime | None
