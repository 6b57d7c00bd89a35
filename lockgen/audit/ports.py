"""The port to databases of advisories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # one command needs it: importing it costs the others time
    from lockgen.audit.advisory import Advisory


class Advisories(Protocol):
    """What is known to be wrong with packages. ``source`` is where that is from, for people."""

    source: str

    def of_releases(self, releases: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[Advisory]]:
        """Package to all that may speak of one of its ``releases`` (name and public version), withdrawn ones too.

        What a record means is for the asker to judge. Raises ToolFailed or BadInput: never half an answer.
        """
        ...

    def of_packages(self, names: Sequence[str]) -> Mapping[str, Sequence[Advisory]]:
        """The same of all releases."""
        ...
