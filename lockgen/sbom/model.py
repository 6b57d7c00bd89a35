"""The content of an image, for a bill of materials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lockgen.core.lock import Package


@dataclass(frozen=True, slots=True)
class Part:
    """A package in an image, and the names of the packages that it requires there. Extras count if requested."""

    package: Package
    dependencies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BomReference:
    """One image of a chain: its full reference, the packages that it requires by name, and the image below it."""

    reference: str
    requirements: tuple[str, ...]
    below: str


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill of materials.

    ``chain`` begins with the image itself and ends with the root base, which is built on ``base_image``. ``indexes``
    maps the name of an index to its URL without credentials. ``timestamp`` is None if none is defined.
    """

    chain: tuple[BomReference, ...]
    base_image: str
    parts: tuple[Part, ...]
    indexes: dict[str, str]
    timestamp: datetime | None
