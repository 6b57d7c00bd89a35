"""Child processes whose signals do not depend on how the tests were started.

A process inherits which signals are ignored: SIGINT and SIGQUIT in a background job of a script, SIGHUP under nohup.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_RESET = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)

# Becomes the command by exec, so the number of the process stays. A preexec_fn could hang: the tests have threads.
# SIGPIPE and SIGXFSZ are ignored by this Python itself, and would stay so.
_LAUNCHER = """\
import os, signal, sys
default, ignored, *command = sys.argv[1:]
for number in [*map(int, default.split()), signal.SIGPIPE, signal.SIGXFSZ]:
    signal.signal(number, signal.SIG_DFL)
for number in map(int, ignored.split()):
    signal.signal(number, signal.SIG_IGN)
os.execvp(command[0], command)
"""


def with_signals(command: Sequence[str], ignored: Collection[int] = ()) -> list[str]:
    """``command``, started with the default action for every signal but those ``ignored``."""
    numbers = [" ".join(str(int(number)) for number in group) for group in (_RESET, ignored)]
    # Without the site module coverage does not enter the launcher, only what it becomes.
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, *numbers, *command]


@contextmanager
def started(
    command: Sequence[str], ignored: Collection[int] = (), stdin: int = subprocess.DEVNULL, cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:  # fmt: skip
    """``command`` with such signals and its output to read. It is killed at the end, so no later test meets it."""
    child = subprocess.Popen(
        with_signals(command, ignored),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=env,
    )
    with child:
        try:
            yield child
        finally:
            child.kill()


def ignored_by(process: int) -> set[signal.Signals]:
    """The signals that the process with this number ignores."""
    status = Path(f"/proc/{process}/status").read_text()
    mask = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigIgn:"))
    return {number for number in signal.Signals if mask >> (number - 1) & 1}


def children_of(process: int) -> list[int]:
    """The numbers of the processes that this one started and that still run."""
    listed = Path(f"/proc/{process}/task").glob("*/children")
    return [int(number) for path in listed for number in path.read_text().split()]
