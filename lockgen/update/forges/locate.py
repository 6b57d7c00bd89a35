"""Find the forge of a clone's remote, and the token for it: from the environment only."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from lockgen.errors import BadInput
from lockgen.update.forges.forge_type import ForgeType
from lockgen.update.forges.model import ForgeKind, RemoteLocation, Token
from lockgen.update.forges.table import FORGES
from lockgen.update.ports import Forge

_SCHEMES = {"https", "http", "ssh", "git"}
_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(.+)")
"""git@github.com:owner/name.git"""
_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)+")


def location_of(address: str, wanted: ForgeKind | None) -> RemoteLocation:
    """The repository at a remote's address. The environment of a CI job completes what the address does not say.

    Raises:
        BadInput: the kind of the forge is unknown, or the repository.
    """
    host, path = _host_and_path(address)
    # The setting wins: a company's server may have any host name.
    kind = wanted or _kind_of(host)
    if kind is None:
        raise BadInput(
            f"the forge of {address or 'this clone'} is unknown",
            hint='set it: [update] forge = "github" or "gitlab"; or push branches only: --no-forge',
        )
    forge = FORGES[kind]
    path = _repository(path, os.environ.get(forge.repository_variable, ""))
    if not _REPOSITORY.fullmatch(path):
        raise BadInput(
            f"the remote {address!r} does not name a repository on {kind}",
            hint=f"set {forge.repository_variable} to OWNER/NAME",
        )
    return RemoteLocation(kind, forge.api(host), path)


def _repository(path: str, variable: str) -> str:
    """OWNER/NAME. An address that contains it wins over the ``variable``: a job may update another repository.

    The exception is a server under a folder of its host, such as GitLab with a relative URL: its addresses begin with
    that folder, and only the variable has the path without it.
    """
    if not variable:
        return path
    if "/" not in path or f"/{path}".casefold().endswith(f"/{variable}".casefold()):
        return variable
    return path


def is_server_of(location: RemoteLocation, address: str) -> bool:
    """Whether the remote at ``address`` is on the forge's server: git sends the forge's token to no other host."""
    host = _host_and_path(address)[0]
    api = urlsplit(location.api).netloc.removeprefix("api.")
    return bool(host) and host in {_server(FORGES[location.kind]), api}


def _server(forge: ForgeType) -> str:
    """The host of the forge that runs this CI job; "" outside of CI."""
    return urlsplit(os.environ.get(forge.server_variable, "")).netloc


def _host_and_path(address: str) -> tuple[str, str]:
    """Host and path of an address; ("", "") for a folder."""
    parts = urlsplit(address)
    scp = _SCP.fullmatch(address) if "://" not in address else None
    if parts.scheme in _SCHEMES and parts.hostname:
        host, path = parts.hostname, parts.path
        # The port of SSH says nothing about the web server.
        if parts.port and parts.scheme.startswith("http"):
            host += f":{parts.port}"
    elif scp is not None:
        host, path = scp[1], scp[2]
    else:
        return "", ""
    return host, path.strip("/").removesuffix(".git")


def _kind_of(host: str) -> ForgeKind | None:
    # The server of this CI job is certain; a host name is only a convention.
    for kind, forge in FORGES.items():
        if host and host == _server(forge):
            return kind
    for kind, forge in FORGES.items():
        if host.startswith(forge.host_prefix):
            return kind
        # The remote is a folder: the environment of a CI job names the repository.
        if not host and os.environ.get(forge.ci_variable) == "true":
            return kind
    return None


def take_tokens() -> dict[ForgeKind, Token]:
    """Remove the tokens from the environment and return them.

    Neither a resolver nor a package that it builds must see a token. So all variables are removed, not only the first
    one that is set.
    """
    found: dict[ForgeKind, Token] = {}
    for kind, forge in FORGES.items():
        for variable in forge.tokens:
            value = os.environ.pop(variable.name, "").strip()
            # CI sets a variable to "" if its secret does not exist.
            if value:
                found.setdefault(kind, Token(value, variable.name, variable.user))
    return found


def token_variables(kind: ForgeKind) -> str:
    """The environment variables that may contain the token, for a message."""
    return " or ".join(variable.name for variable in FORGES[kind].tokens)


def connect(location: RemoteLocation, token: Token, base: str) -> Forge:
    """The forge at ``location``, for pull requests to the branch ``base``."""
    return FORGES[location.kind].connect(location, token, base)
