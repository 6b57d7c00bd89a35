"""URLs without secrets, for messages and files."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def redacted(url: str) -> str:
    """``url`` without user info, query and fragment: each can hold a token. An invalid URL is not shown at all."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no URL)"
    # The last "@": a password may contain one that is not escaped.
    host = parts.netloc.rsplit("@", 1)[-1]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def origin(url: str) -> tuple[str, str]:
    """The scheme, and the host with its port. Credentials are valid for one origin only."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rsplit("@", 1)[-1].lower()
