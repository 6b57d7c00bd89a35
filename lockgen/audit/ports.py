"""The port to databases of advisories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # only one command needs it at run time: the import would slow down the others
    from lockgen.audit.advisory_model import Advisory


class Advisories(Protocol):
    """A database of advisories. ``source`` names it for people."""

    source: str

    def of_releases(self, releases: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[Advisory]]:
        """All records that may affect one of ``releases`` (name and public version), by package, withdrawn ones too.

        The caller decides what a record affects.

        Raises:
            ToolFailed: the database cannot be reached or gives an incomplete answer.
            BadInput: the database is invalid.
        """
        ...

    def of_packages(self, names: Sequence[str]) -> Mapping[str, Sequence[Advisory]]:
        """As `of_releases`, for all releases of the packages."""
        ...
