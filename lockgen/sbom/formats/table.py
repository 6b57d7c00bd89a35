"""The export formats. A new one is a module with an SbomFormat, and a line here."""

from __future__ import annotations

from lockgen.sbom.formats.cyclonedx import JSON, XML
from lockgen.sbom.formats.format_type import SbomFormat

FORMATS: dict[str, SbomFormat] = {
    "json": JSON,
    "xml": XML,
}
"""By the value of --format. The first one is the default."""
