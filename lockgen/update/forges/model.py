"""Where pull requests go, and the token for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ForgeKind = Literal["github", "gitlab"]


@dataclass(frozen=True)
class RemoteLocation:
    """A repository on a forge. ``api`` is the address for the client; ``path`` is OWNER/NAME."""

    kind: ForgeKind
    api: str
    path: str


@dataclass(frozen=True)
class Token:
    """A token, the environment variable that it came from, and the user name with which git sends it over HTTPS.

    Its representation does not show the value, so that no traceback or log contains it.
    """

    value: str
    variable: str
    user: str = "oauth2"

    def __repr__(self) -> str:
        return f"Token({self.variable})"
