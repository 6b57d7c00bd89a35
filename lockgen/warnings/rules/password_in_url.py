"""A password in the URL of an index."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from lockgen.core.urls import credential_variables
from lockgen.warnings.model import FamilyWarning, WarningContext


def password_in_url(context: WarningContext) -> Iterator[FamilyWarning]:
    """Warn about credentials in versions.toml: everybody with the repository can read them."""
    for index in context.manifest.indexes.values():
        if urlsplit(index.url).password:
            message = f"the URL of [index.{index.name}] contains a password"
            user, password = credential_variables(index.name)
            hint = f"set {user} and {password}, or use ~/.netrc; change the password if this file was committed"
            yield FamilyWarning("password-in-url", message, ("index", index.name, "url"), hint)
