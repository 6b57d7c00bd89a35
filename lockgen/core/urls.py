"""URLs without secrets, for messages and files."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

_USER_INFO = re.compile(r"^([\w+.-]*://)?.*@", re.DOTALL)
_NOT_IN_VARIABLES = re.compile(r"[^A-Z0-9]")


class Login(NamedTuple):
    """A user and a password."""

    user: str
    password: str


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


def without_user_info(url: str) -> str:
    """``url`` without a user and a password.

    Raises:
        ValueError: it is not a valid URL.
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]).geturl()


def with_login(url: str, login: Login) -> str:
    """``url``, which has no user info, with ``login`` as user info."""
    parts = urlsplit(url)
    info = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}"
    return parts._replace(netloc=f"{info}@{parts.netloc}").geturl()


def without_password(text: str) -> str:
    """``text``, which should be a URL but may be anything, with ``***`` instead of user info."""
    return _USER_INFO.sub(r"\1***@", text)


def credential_variables(index: str) -> tuple[str, str]:
    """The variables with the user and the password of the index called ``index``; uv reads the same ones."""
    name = _NOT_IN_VARIABLES.sub("_", index.upper())
    return f"UV_INDEX_{name}_USERNAME", f"UV_INDEX_{name}_PASSWORD"
