"""What came of installing a solution for real, and what its binaries ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

InstallStatus = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Installed:
    """Whether a solution installs and imports. ``native`` are warnings; they make no "yes" a "no".

    A "no" is what would be so in an image too: a file with another hash, a module that does not import. What cannot be
    done here (fetch a file, run another Python or platform, build a source) is "unknown", and ``reason`` says so.
    """

    status: InstallStatus
    reason: str = ""
    native: tuple[str, ...] = ()

    @property
    def data(self) -> dict[str, object]:
        """As it stands in the matrix, format 1."""
        return {"status": self.status, "reason": self.reason, "native": list(self.native)}


@dataclass(frozen=True, slots=True, order=True)
class Binary:
    """A shared object that a package installed.

    ``owner`` is the package and its version, ``file`` its base name, ``soname`` its own DT_SONAME ("" for none).
    ``needed`` are its DT_NEEDED; ``opened`` the CUDA libraries whose names stand in its text, to be opened as it runs.
    """

    owner: str
    file: str
    soname: str = ""
    needed: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
