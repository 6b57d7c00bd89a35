"""Which forge a clone's remote belongs to, and the token for it: from the environment only."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from lockgen.errors import BadInput
from lockgen.update.model import PullRequest
from lockgen.update.ports import Forge

ForgeKind = Literal["github", "gitlab"]

_TOKENS: dict[ForgeKind, tuple[str, ...]] = {
    "github": ("GITHUB_TOKEN", "GH_TOKEN"),
    "gitlab": ("GITLAB_TOKEN", "CI_JOB_TOKEN"),
}
_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(.+)")
"""git@github.com:owner/name.git"""


@dataclass(frozen=True)
class RemoteLocation:
    """Where pull requests go. ``api`` is the address that the client begins at; ``path`` is OWNER/NAME."""

    kind: ForgeKind
    api: str
    path: str


@dataclass(frozen=True)
class Token:
    """A token and the name of the variable that it came from. Its text shows neither."""

    value: str
    variable: str

    @property
    def user(self) -> str:
        """The user name with which git sends it over HTTPS."""
        return {"GITHUB_TOKEN": "x-access-token", "GH_TOKEN": "x-access-token", "CI_JOB_TOKEN": "gitlab-ci-token"}.get(
            self.variable, "oauth2"
        )

    def __repr__(self) -> str:
        return f"Token({self.variable})"


def place_of(address: str, wanted: ForgeKind | None) -> RemoteLocation:
    """The forge of a remote's address; what that does not say, CI's own variables do.

    Raises:
        BadInput: nothing says which forge it is, or which repository of it.
    """
    host, path = _parts(address)
    kind = wanted or _kind(host)
    if kind is None:
        raise BadInput(
            f"nothing says where pull requests for {address or 'this clone'} go",
            hint='say it: [update] forge = "github" or "gitlab"; or make the branches only: --no-forge',
        )
    github = kind == "github"
    path = _path(path, os.environ.get("GITHUB_REPOSITORY" if github else "CI_PROJECT_PATH", ""))
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)+", path):
        raise BadInput(
            f"the remote {address!r} names no repository of {kind}",
            hint=f"set {'GITHUB_REPOSITORY' if github else 'CI_PROJECT_PATH'} to OWNER/NAME",
        )
    api = _github_api(host) if github else _gitlab_api(host)
    return RemoteLocation(kind, api, path)


def _path(path: str, variable: str) -> str:
    """OWNER/NAME, from the address where it has one: a job may well update another repository than its own.

    A server under a folder of its host (GitLab's relative URL) has that folder in the address, not in the variable.
    """
    if variable and ("/" not in path or f"/{path}".casefold().endswith(f"/{variable}".casefold())):
        return variable
    return path


def is_its_own(place: RemoteLocation, address: str) -> bool:
    """Whether the remote at ``address`` is a server of the forge: git sends the forge's token to no other."""
    host = _parts(address)[0]
    variable = "GITHUB_SERVER_URL" if place.kind == "github" else "CI_SERVER_URL"
    known = {urlsplit(os.environ.get(variable, "")).netloc, urlsplit(place.api).netloc.removeprefix("api.")}
    return bool(host) and host in known


def _parts(address: str) -> tuple[str, str]:
    """Host and path; ("", "") for a folder."""
    parts = urlsplit(address)
    if parts.scheme in {"https", "http", "ssh", "git"} and parts.hostname:
        host = parts.hostname + (f":{parts.port}" if parts.port and parts.scheme.startswith("http") else "")
        path = parts.path
    elif "://" not in address and (found := _SCP.fullmatch(address)):
        host, path = found[1], found[2]
    else:
        return "", ""
    return host, path.strip("/").removesuffix(".git")


def _kind(host: str) -> ForgeKind | None:
    for kind, variable in (("github", "GITHUB_SERVER_URL"), ("gitlab", "CI_SERVER_URL")):
        server = urlsplit(os.environ.get(variable, "")).netloc
        if host and host == server:
            return kind  # type: ignore[return-value]
    name = host.split(":")[0]
    if name.startswith("github.") or (not host and os.environ.get("GITHUB_ACTIONS") == "true"):
        return "github"
    return "gitlab" if name.startswith("gitlab.") or (not host and os.environ.get("GITLAB_CI") == "true") else None


def _github_api(host: str) -> str:
    if api := os.environ.get("GITHUB_API_URL"):
        return api
    return "https://api.github.com" if host in {"", "github.com"} else f"https://{host}/api/v3"


def _gitlab_api(host: str) -> str:
    return os.environ.get("CI_SERVER_URL") or f"https://{host or 'gitlab.com'}"


def take_tokens() -> dict[ForgeKind, Token]:
    """The tokens, taken out of the environment: neither a resolver nor a package that it builds gets to see them."""
    found: dict[ForgeKind, Token] = {}
    for kind, names in _TOKENS.items():
        for variable in names:
            value = os.environ.pop(variable, "").strip()
            if value:
                found.setdefault(kind, Token(value, variable))
    return found


def last_word(request: PullRequest) -> str:
    """The sign of lockgen's last word on ``request``: of one commit, as a reopened one may get another."""
    return f"<!-- lockgen-closed commit={request.mark or '-'} -->"


def variables(kind: ForgeKind) -> str:
    """Where the token is looked for, in words."""
    return " or ".join(_TOKENS[kind])


def forge_at(place: RemoteLocation, token: Token, base: str) -> Forge:
    """The forge at ``place``, for pull requests to the branch ``base``; its client is imported here."""
    if place.kind == "github":
        from lockgen.update.forges.github import GitHub

        return GitHub(place.api, place.path, token, base)
    from lockgen.update.forges.gitlab import GitLab

    return GitLab(place.api, place.path, token, base)
