"""Credentials of indexes: from uv's variables and from URLs. Without either, requests reads netrc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from lockgen.core.urls import Login, credential_variables, origin, without_user_info


@dataclass(frozen=True)
class _KnownIndex:
    """``login`` is None for an index without credentials: then those in netrc apply, if there are any."""

    folders: tuple[str, ...]
    login: Login | None
    name: str | None


class KnownCredentials:
    """The credentials of one run. They are sent to their own origin only. Several threads may use this object."""

    def __init__(self) -> None:
        self._indexes: dict[tuple[str, str], list[_KnownIndex]] = {}
        self._of_links: dict[tuple[str, str], Login] = {}

    def add_index(self, url: str, name: str | None = None) -> str:
        """Remember the credentials of the index at ``url``, and return the URL without them.

        ``name`` is that of an index in versions.toml. Its variables take precedence over user info, as in uv.

        Raises:
            ValueError: ``url`` is not valid.
        """
        plain = without_user_info(url)
        login = (login_in_environment(name) if name is not None else None) or login_in(url)
        known = self._indexes.setdefault(origin(url), [])
        folders = _folders(plain)
        same = next((index for index in known if index.folders == folders), None)
        if same is None:
            known.append(_KnownIndex(folders, login, name))
        elif (same.login is None and login is not None) or (same.name is None and name is not None):
            # A page is read by its plain URL after the index was added with its name.
            known[known.index(same)] = _KnownIndex(folders, same.login or login, same.name or name)
        return plain

    def plain(self, url: str) -> str:
        """``url`` without user info. That of a link is remembered, unless the user has credentials for its origin.

        Raises:
            ValueError: ``url`` is not valid.
        """
        login = login_in(url)
        if login is None:
            return url
        where = origin(url)
        if all(index.login is None for index in self._indexes.get(where, [])):
            self._of_links.setdefault(where, login)
        return without_user_info(url)

    def candidates(self, url: str) -> list[Login | None]:
        """What to send to ``url``, the most likely first; None stands for netrc.

        Several indexes of one host may have different credentials, and an index may store files outside its own
        folder. So the indexes with the longest common path come first.
        """
        found: list[Login | None] = [index.login for index in self._nearest(url)]
        of_links = self._of_links.get(origin(url))
        if of_links is not None:
            found.append(of_links)
        return list(dict.fromkeys(found)) or [None]

    def name(self, url: str) -> str | None:
        """The name of the index at ``url`` in versions.toml; None for another one."""
        folders = _folders(url)
        known = self._indexes.get(origin(url), [])
        return next((index.name for index in known if index.folders == folders), None)

    def hint(self, url: str) -> str:
        """Where to put credentials for ``url``."""
        name = next((index.name for index in self._nearest(url) if index.name is not None), None)
        if name is None:
            return "put the credentials for this host into ~/.netrc; those of the default index may be in its URL"
        user, password = credential_variables(name)
        return f"set {user} and {password}, or put the credentials for this host into ~/.netrc"

    def _nearest(self, url: str) -> list[_KnownIndex]:
        folders = _folders(url)
        known = list(self._indexes.get(origin(url), []))
        return sorted(known, key=lambda index: -_common(index.folders, folders))


def login_in_environment(name: str) -> Login | None:
    """The credentials in uv's variables for the index called ``name``. An unset one of the two is empty."""
    user, password = (os.environ.get(variable, "") for variable in credential_variables(name))
    return Login(user, password) if user or password else None


def login_in(url: str) -> Login | None:
    """The user info of ``url``."""
    parts = urlsplit(url)
    if not parts.username and not parts.password:
        return None
    return Login(unquote(parts.username or ""), unquote(parts.password or ""))


def _folders(url: str) -> tuple[str, ...]:
    return tuple(part for part in urlsplit(url).path.split("/") if part)


def _common(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count
