"""What an export format consists of: see lockgen.sbom.formats.table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lockgen.sbom.model import Bill


@dataclass(frozen=True, slots=True)
class SbomFormat:
    """A format of bills of materials.

    ``suffix`` ends the names of files, without a leading dot. ``render`` returns the text for a bill and lockgen's
    version: the same bytes for the same lock. ``is_ours`` recognises files of this format that lockgen wrote: it
    replaces no others.
    """

    suffix: str
    render: Callable[[Bill, str], str]
    is_ours: Callable[[bytes], bool]
