"""The properties of a kind of forge: see lockgen.update.forges.table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lockgen.update.forges.model import RemoteLocation, Token
from lockgen.update.ports import Forge


@dataclass(frozen=True)
class TokenVariable:
    """An environment variable with a token, and the user name with which git sends that token over HTTPS."""

    name: str
    user: str


@dataclass(frozen=True)
class ForgeType:
    """A kind of forge.

    ``tokens`` are in order of preference. ``repository_variable`` and ``server_variable`` are set in a job of the
    forge's CI, to OWNER/NAME and to the server's URL; ``ci_variable`` is "true" there. Hosts whose name begins with
    ``host_prefix`` belong to this kind.

    ``api`` returns the address for the client by host; the host is "" if the remote is a folder. ``connect`` opens the
    forge for pull requests to a base branch. It imports the client library: it is slow, and a run needs only one.
    """

    tokens: tuple[TokenVariable, ...]
    repository_variable: str
    server_variable: str
    ci_variable: str
    host_prefix: str
    api: Callable[[str], str]
    connect: Callable[[RemoteLocation, Token, str], Forge]
