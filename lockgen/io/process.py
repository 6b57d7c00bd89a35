"""The one door for processes: an argument list, no shell, a time limit, secrets hidden."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lockgen.errors import TimedOut, ToolFailed

_USERINFO = re.compile(r"(?<=://)[^\s/@]*@")


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that ended. Its texts are decoded leniently, with URL credentials hidden in ``stderr``."""

    code: int
    stdout: str
    stderr: str

    def last_lines(self, count: int = 12) -> str:
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return "\n".join(lines[-count:])


def hide_credentials(text: str) -> str:
    """``text`` with the user info of every URL in it replaced by ``***``."""
    return _USERINFO.sub("***@", text)


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 600,
    stdin: str = "",
) -> Finished:
    """Run ``argv`` to its end. ``env`` replaces the environment; ``timeout`` in seconds.

    The child leads a separate process group, so that a timeout or Ctrl-C also ends its children.

    Raises:
        ToolFailed: it cannot be started, or was still running after ``timeout``.
    """
    process = _started(argv, cwd, env)
    name = os.path.basename(argv[0])
    try:
        # communicate() reads both pipes at once: reading one after the other could block the child for ever.
        stdout, stderr = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        _end(process)
        raise TimedOut(f"{name} did not finish within {timeout:.0f} s", hint="the index may be slow: retry") from error
    except BaseException:
        # Ctrl-C above all: the child's own group does not receive it.
        _end(process)
        raise
    return Finished(process.returncode, stdout, hide_credentials(stderr))


def stream(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, each: Callable[[str], None]
) -> Finished:
    """Run ``argv`` to its end, as ``run`` without a time limit, and pass every line of its stderr to ``each``.

    Raises:
        ToolFailed: it cannot be started.
    """
    process = _started(argv, cwd, env)
    lines: list[str] = []
    try:
        if process.stdin is not None:
            process.stdin.close()
        for line in process.stderr or ():
            lines.append(line)
            each(line)
        stdout = process.stdout.read() if process.stdout is not None else ""
        return Finished(process.wait(), stdout, hide_credentials("".join(lines)))
    except BaseException:
        # SIGTERM first: it lets `docker buildx` cancel the build in the engine.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def reading(argv: Sequence[str], *, cwd: Path) -> Iterator[IO[bytes]]:
    """The standard output of ``argv`` as bytes to read; its stderr becomes part of the error if it fails.

    Raises:
        ToolFailed: it cannot be started, or failed.
    """
    name = os.path.basename(argv[0])
    # A file for stderr: nothing reads a pipe while the caller reads stdout, and a full one would block the child.
    with tempfile.TemporaryFile() as stderr:
        try:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolFailed(f"{name} cannot be started: {error.strerror}") from error
        with process:
            if process.stdout is None:
                raise ToolFailed(f"{name} gives nothing to read")
            try:
                yield process.stdout
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
            # The caller may stop early, and a process that cannot write would never end.
            process.stdout.read()
            if process.wait():
                stderr.seek(0)
                output = stderr.read().decode("utf-8", "replace")
                reason = hide_credentials(output).strip()
                raise ToolFailed(f"{name} {' '.join(argv[1:3])} failed", reason=reason)


def _started(argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None) -> subprocess.Popen[str]:
    name = os.path.basename(argv[0])
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise ToolFailed(f"{name} was not found", hint=f"install {name}, or put it on PATH") from error
    except OSError as error:
        raise ToolFailed(f"{name} cannot be started: {error.strerror}") from error


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
