"""Credentials that `docker login` stored for one registry: in Docker's config.json, or in a credential helper."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockgen.core.documents import parse_json
from lockgen.errors import LockgenError
from lockgen.io.process import run

DOCKER_HUB = "docker.io"

_IDENTITY_TOKEN_USER = "<token>"  # noqa: S105
"""The user name that a credential helper returns with an identity token."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password. If ``user`` is None, ``secret`` is an identity token.

    An identity token is exchanged for an access token. It is not a password.
    """

    user: str | None
    secret: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The Authorization header for basic authentication."""
        encoded = base64.b64encode(f"{self.user}:{self.secret}".encode())
        return f"Basic {encoded.decode()}"


def stored_credentials(host: str) -> Credentials | None:
    """The credentials for the registry at ``host``. None without a login, or if it cannot be read."""
    config = _docker_config()
    for key in _keys(host):
        credentials = _credentials_for(config, key)
        if credentials is not None:
            return credentials
    return None


def _docker_config() -> dict[str, Any]:
    folder = Path(os.environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()
    try:
        return dict(parse_json((folder / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _keys(host: str) -> list[str]:
    """The keys under which Docker may store the login. For Docker Hub, this is an address from its first days."""
    if host == DOCKER_HUB:
        return ["https://index.docker.io/v1/", DOCKER_HUB, "registry-1.docker.io"]
    return [host, f"https://{host}", f"http://{host}"]


def _credentials_for(config: dict[str, Any], key: str) -> Credentials | None:
    """Docker's order: the registry's own helper, config.json itself, the helper for all registries."""
    helpers = config.get("credHelpers")
    own_helper = helpers.get(key) if isinstance(helpers, dict) else None
    if own_helper:
        credentials = _from_helper(str(own_helper), key)
        if credentials is not None:
            return credentials
    credentials = _from_config(config, key)
    if credentials is None and config.get("credsStore"):
        credentials = _from_helper(str(config["credsStore"]), key)
    return credentials


def _from_config(config: dict[str, Any], key: str) -> Credentials | None:
    auths = config.get("auths")
    entry = auths.get(key) if isinstance(auths, dict) else None
    if not isinstance(entry, dict):
        return None
    # Before the others, as in docker: next to an identity token, `auth` has a user name without a password.
    if entry.get("identitytoken"):
        return Credentials(None, str(entry["identitytoken"]))
    if entry.get("username") and entry.get("password"):
        return Credentials(str(entry["username"]), str(entry["password"]))
    return _decoded(str(entry.get("auth") or ""))


def _decoded(auth: str) -> Credentials | None:
    """The user and the password in the base64 text of `auth`."""
    try:
        text = base64.b64decode(auth).decode()
    except ValueError:
        return None
    user, colon, password = text.rstrip("\0").partition(":")
    return Credentials(user, password) if colon and user else None


def _from_helper(helper: str, key: str) -> Credentials | None:
    """The answer of a credential helper: it reads the registry's name and prints JSON."""
    # The name becomes part of a command, so it must not be a path.
    if not re.fullmatch(r"[A-Za-z0-9._-]+", helper):
        return None
    try:
        done = run([f"docker-credential-{helper}", "get"], cwd=Path.cwd(), timeout=30, stdin=key)
        answer = parse_json(done.stdout) if done.code == 0 else {}
        user = str(answer["Username"])
        secret = str(answer["Secret"])
    except (LockgenError, ValueError, KeyError, TypeError):
        return None
    if user == _IDENTITY_TOKEN_USER:
        return Credentials(None, secret) if secret else None
    return Credentials(user, secret) if user else None
