"""Parts of messages that several rules share."""

from __future__ import annotations

from lockgen.lint.model import Import


def imports(module: str, imported: Import) -> str:
    """The beginning of a message about an import of ``module``."""
    match imported.kind:
        case "late":
            return f"imports {module} in a function"
        case "by-name":
            return f"imports {module} by name"
        case _:
            return f"imports {module}"
