"""The result of installing a solution, and the shared objects in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

InstallStatus = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Installed:
    """Whether a solution installs and imports. ``native`` are warnings, which do not affect the status.

    "no" means that it would fail in an image, too: a file has another hash, or a module cannot be imported. "unknown"
    means that this machine cannot test it, for example because a file cannot be downloaded or a source not be built.
    """

    status: InstallStatus
    reason: str = ""
    native: tuple[str, ...] = ()

    @property
    def data(self) -> dict[str, object]:
        """The result as in the JSON of the matrix, format 1."""
        return {"status": self.status, "reason": self.reason, "native": list(self.native)}
