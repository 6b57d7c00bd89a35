"""The supported kinds of forges. A new one is a module with a ForgeType, a ForgeKind, and a line here."""

from __future__ import annotations

from lockgen.update.forges.forge_type import ForgeType
from lockgen.update.forges.github import GITHUB
from lockgen.update.forges.gitlab import GITLAB
from lockgen.update.forges.model import ForgeKind

FORGES: dict[ForgeKind, ForgeType] = {
    "github": GITHUB,
    "gitlab": GITLAB,
}
"""By kind. If an address matches several kinds, the first one wins."""
