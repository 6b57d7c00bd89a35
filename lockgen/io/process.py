"""The one door for processes: an argument list, no shell, a time limit, secrets hidden.

No process outlives lockgen: see `lockgen/io/orphans.py`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from lockgen.errors import TimedOut, ToolFailed
from lockgen.io import orphans
from lockgen.io.stopping import stoppable

_CLOSING_SECONDS = 5
"""How long to wait for the last output of a process that has ended, if another one keeps its pipes open."""
_USERINFO = re.compile(r"(?<=://)[^\s/@]*@")


class Finished(NamedTuple):
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
    started: Callable[[], None] = lambda: None,
    holds_stdin: bool = False,
) -> Finished:
    """Run ``argv`` to its end. ``env`` replaces the environment; ``timeout`` in seconds; ``started`` is called then.

    The child leads a separate process group, so that a timeout or Ctrl-C also ends its children. With ``holds_stdin``
    its input does not end after ``stdin``, but with lockgen.

    Raises:
        ToolFailed: it cannot be started, or was still running after ``timeout``.
    """
    name = os.path.basename(argv[0])
    with _started(argv, cwd, env) as process:
        held = _HeldInput(process, stdin) if holds_stdin else None
        try:
            started()
            stdout, stderr = _communicate(process, stdin if held is None else "", timeout)
        except subprocess.TimeoutExpired as error:
            _end(process)
            message = f"{name} did not finish within {timeout:.0f} s"
            raise TimedOut(message, hint="the index may be slow: retry") from error
        except BaseException:
            # Ctrl-C above all: the child's own group does not receive it.
            _end(process)
            raise
        finally:
            if held is not None:
                held.close()
    return Finished(process.returncode, stdout, hide_credentials(stderr))


class _HeldInput:
    """The input of a process, which stays open until ``close``. A thread writes it, as the process may not read it."""

    def __init__(self, process: subprocess.Popen[str], text: str) -> None:
        # communicate() would close it.
        self.pipe, process.stdin = process.stdin, None
        self.thread = threading.Thread(target=self._write, args=(text,), daemon=True)
        self.thread.start()

    def _write(self, text: str) -> None:
        # The process may have ended.
        with contextlib.suppress(OSError, ValueError):
            if self.pipe is not None:
                self.pipe.write(text)
                self.pipe.flush()

    def close(self) -> None:
        """Call it after the end of the process."""
        self.thread.join(_CLOSING_SECONDS)
        # Closing would wait for a thread that still writes.
        if self.pipe is not None and not self.thread.is_alive():
            with contextlib.suppress(OSError):
                self.pipe.close()


def stream(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, each: Callable[[str], None]
) -> Finished:
    """Run ``argv`` to its end, as ``run`` without a time limit, and pass every line of its stderr to ``each``.

    Raises:
        ToolFailed: it cannot be started.
    """
    lines: list[str] = []
    with _started(argv, cwd, env) as process:
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
            _kill(process)
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
    with (
        tempfile.TemporaryFile() as stderr,
        _popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr) as process,
    ):
        if process.stdout is None:
            raise ToolFailed(f"{name} gives nothing to read")
        try:
            yield process.stdout
        except BaseException:
            _kill(process)
            process.stdout.close()
            process.wait()
            raise
        # The caller may stop early, and a process that cannot write would never end.
        process.stdout.read()
        process.stdout.close()
        if process.wait():
            stderr.seek(0)
            output = stderr.read().decode("utf-8", "replace")
            reason = hide_credentials(output).strip()
            raise ToolFailed(f"{name} {' '.join(argv[1:3])} failed", reason=reason)


@contextlib.contextmanager
def _started(argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None) -> Iterator[subprocess.Popen[str]]:
    with _popen(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        yield process


@contextlib.contextmanager
def _popen(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, **streams: Any
) -> Iterator[subprocess.Popen[Any]]:
    """A child in a separate session, known to the watchdog until the block ends.

    Raises:
        ToolFailed: it cannot be started.
    """
    name = os.path.basename(argv[0])
    watchdog = _watchdog()
    environment = {**(os.environ if env is None else env), orphans.MARKER: watchdog.run}
    try:
        process = subprocess.Popen(list(argv), cwd=cwd, env=environment, start_new_session=True, **streams)
    except FileNotFoundError as error:
        raise ToolFailed(f"{name} was not found", hint=f"install {name}, or put it on PATH") from error
    except OSError as error:
        raise ToolFailed(f"{name} cannot be started: {error.strerror}") from error
    watchdog.report(f"+ {process.pid}")
    try:
        with stoppable(lambda: _kill(process)):
            yield process
    finally:
        watchdog.report(f"- {process.pid}")


class _Watchdog:
    """The process that ends children if lockgen is killed. It ends when lockgen does."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.has_killed = False
        self.run = os.urandom(16).hex()
        # The write end is not inherited: the pipe closes when this process ends, for whatever reason.
        reader, self._pipe = os.pipe()
        # Reports must never wait for the watchdog.
        os.set_blocking(self._pipe, False)
        self._process: subprocess.Popen[bytes] | None = None
        command = ["/bin/sh", "-c", orphans.WATCHDOG, "lockgen-watchdog", sys.executable, "-I", "-S"]
        command += [orphans.__file__, self.run]
        try:
            # Its own session, so that it survives a signal for lockgen's group. It keeps no stream of the caller open.
            self._process = subprocess.Popen(
                command,
                cwd="/",
                env={},
                stdin=reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            pass  # without a shell children are not watched
        finally:
            os.close(reader)

    def report(self, line: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._pipe, f"{line}\n".encode())

    def dismiss(self) -> None:
        """lockgen ends by itself. If it killed no child, all have ended; else the watchdog looks for theirs."""
        if not self.has_killed:
            self.report(".")
        with contextlib.suppress(OSError):
            os.close(self._pipe)
        if self._process is not None and not self.has_killed and self.owner == os.getpid():
            self._process.wait()


_watchdogs: list[_Watchdog] = []
_watchdogs_lock = threading.Lock()


def _watchdog() -> _Watchdog:
    """The watchdog of this process: a fork needs another one than its parent."""
    with _watchdogs_lock:
        if not _watchdogs or _watchdogs[-1].owner != os.getpid():
            _watchdogs.append(_Watchdog())
            atexit.register(_watchdogs[-1].dismiss)
        return _watchdogs[-1]


def _communicate(process: subprocess.Popen[str], stdin: str, timeout: float) -> tuple[str, str]:
    """The output of ``process``.

    Raises:
        subprocess.TimeoutExpired: it was still running after ``timeout`` seconds.
    """
    until = time.monotonic() + timeout
    sent: str | None = stdin
    closing = 0
    while True:
        try:
            # communicate() reads both pipes at once: reading one after the other could block the child for ever.
            return process.communicate(sent, timeout=min(1.0, max(0.0, until - time.monotonic())))
        except subprocess.TimeoutExpired as error:
            # What was read so far is not lost, and the input must not be passed again.
            sent = None
            # A process in the background may keep the pipes open after its parent has ended.
            closing += process.poll() is not None
            if closing > _CLOSING_SECONDS:
                for pipe in (process.stdout, process.stderr):
                    if pipe is not None:
                        pipe.close()
                return _decoded(error.stdout), _decoded(error.stderr)
            if not closing and time.monotonic() > until:
                raise


def _decoded(output: str | bytes | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def _kill(process: subprocess.Popen[Any]) -> None:
    _watchdog().has_killed = True
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[str]) -> None:
    _kill(process)
    # A grandchild that left the process group may keep the pipes open.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_CLOSING_SECONDS)
