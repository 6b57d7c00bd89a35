"""End the child processes of a lockgen that was killed, and their children.

`lockgen/io/process.py` starts one watchdog (a shell) for each run of lockgen. It learns the process group of each child
through a pipe. If the pipe closes without a last word, lockgen was killed, and the watchdog runs this file:
`python -I -S orphans.py MARKER GROUP...`. So this file imports only the standard library.

PR_SET_PDEATHSIG would not do: it is bound to the thread that starts a child, and grandchildren do not have it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Collection

MARKER = "LOCKGEN_RUN"
"""An environment variable of all children. Their children inherit it, in whatever process group or session they are."""

WATCHDOG = """\
groups=
while read -r sign group; do
  case $sign in
    +) groups="$groups $group" ;;
    -) rest=
       for each in $groups; do [ "$each" = "$group" ] || rest="$rest $each"; done
       groups=$rest ;;
    .) exit 0 ;;
  esac
done
exec "$@" $groups
"""
"""The shell script: `+ GROUP` and `- GROUP` are the start and the end of a child, `.` is the end of lockgen."""

_PATIENCE = 3.0
"""Seconds between SIGTERM and SIGKILL: enough for docker buildx to cancel a build in the engine."""
_ROUNDS = 20
"""How often SIGKILL is sent, because a process may start another one meanwhile."""
_PAUSE = 0.05


def end(run: str, groups: Collection[int]) -> None:
    """End the processes in ``groups``, and those with MARKER ``run`` in their environment."""
    _signal(run, groups, signal.SIGTERM)
    until = time.monotonic() + _PATIENCE
    while _are_left(run, groups) and time.monotonic() < until:
        time.sleep(_PAUSE)
    for _ in range(_ROUNDS):
        if not _are_left(run, groups):
            return
        _signal(run, groups, signal.SIGKILL)
        time.sleep(_PAUSE)


def _signal(run: str, groups: Collection[int], number: int) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
    for process in _marked(run):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def _are_left(run: str, groups: Collection[int]) -> bool:
    return bool(_marked(run)) or any(_is_group(group) for group in groups)


def _is_group(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _marked(run: str) -> list[int]:
    """The processes of this user with MARKER ``run``; none where there is no /proc (macOS)."""
    wanted = f"{MARKER}={run}".encode()
    found = []
    try:
        processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for process in processes:
        try:
            with open(f"/proc/{process}/environ", "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            continue  # it has ended, or belongs to another user
        if wanted in variables and process != os.getpid():
            found.append(process)
    return found


if __name__ == "__main__":
    end(sys.argv[1], [int(group) for group in sys.argv[2:]])
