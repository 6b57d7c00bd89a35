"""Bubblewrap, the one door: run a command without the network, and with only some folders of this machine.

bubblewrap is small, needs no root, and is a package of every distribution. It needs user namespaces, which some
machines forbid, so whether it works is tried once.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lockgen.errors import ToolFailed
from lockgen.io.process import run

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt/nvidia")
# What programs look up: shared libraries, names, time zones, certificates and fonts. Not the rest of /etc: it may have
# passwords.
_SETTINGS = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "passwd",
    "group",
    "nsswitch.conf",
    "localtime",
    "ssl/certs",
    "ca-certificates",
    "fonts",
    "mime.types",
)
_SHARED_MEMORY = "/dev/shm"  # noqa: S108  # of the sandbox
_NETWORK_SETTINGS = ("resolv.conf", "hosts")


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of this machine, ``source``, at ``target`` inside. It is read-only there."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A working bubblewrap. ``program`` is its path."""

    program: str

    def command(
        self, argv: Sequence[str], *, mounts: Sequence[Mount], scratch: Sequence[str], size: int, network: bool
    ) -> list[str]:
        """The command that runs ``argv`` inside.

        ``scratch`` are empty folders in memory with at most ``size`` bytes each, which end with the command. All
        processes inside end with it too, or when lockgen does.
        """
        command = [self.program, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        # Without a name of its own: the host's may be private.
        command += ["--hostname", "sandbox"]
        if network:
            command.append("--share-net")
        for path in _SYSTEM:
            command += ["--ro-bind-try", path, path]
        for name in (*_SETTINGS, *(_NETWORK_SETTINGS if network else ())):
            command += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        command += ["--proc", "/proc", "--dev", "/dev"]
        for path in (_SHARED_MEMORY, *scratch):
            command += ["--size", str(size), "--tmpfs", path]
        for mount in mounts:
            command += ["--ro-bind", str(mount.source), str(mount.target)]
        return [*command, "--", *argv]


def find_sandbox() -> Sandbox | None:
    """A sandbox, if bubblewrap is installed and works on this machine."""
    program = shutil.which("bwrap")
    return _tried(program) if program is not None else None


@cache
def _tried(program: str) -> Sandbox | None:
    sandbox = Sandbox(program)
    command = sandbox.command(["/bin/true"], mounts=(), scratch=("/scratch",), size=1_000_000, network=False)
    try:
        done = run(command, cwd=Path("/"), env={"PATH": "/usr/bin:/bin"}, timeout=30)
    except ToolFailed:
        return None
    return sandbox if done.code == 0 else None
