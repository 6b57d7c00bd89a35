"""Output for people, on stderr: errors, progress on a terminal, plain lines elsewhere. stdout is for data."""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from lockgen.core.printable import printable
from lockgen.errors import Fault, LockgenError
from lockgen.io.output import before_output
from lockgen.io.process import hide_credentials

if TYPE_CHECKING:
    from rich.status import Status


PATIENCE = 1.0
"""Seconds without a message after which a person may think that a command hangs."""


def is_interactive(stream: TextIO) -> bool:
    """Whether a person is watching: stderr is a terminal, and this is not CI."""
    return stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"


class Console:
    """Progress on stderr: a spinner on a terminal; elsewhere the notes, each a plain line.

    Elsewhere, the first step that takes longer than PATIENCE is printed, too: a silent command seems to hang.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._status: Status | None = None
        self._first_line = _FirstLine()

    def __enter__(self) -> Self:
        if not self._quiet and is_interactive(sys.stderr):
            from rich.console import Console

            self._status = Console(stderr=True, highlight=False).status("starting")
            self._status.start()
            # Data on the same terminal would be glued to the spinner's line.
            before_output(self._status.stop)
        elif not self._quiet:
            self._first_line.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._first_line.end()
        if self._status is not None:
            before_output(None)
            self._status.stop()

    def step(self, text: str) -> None:
        """Show the current step, on a terminal. An empty text ends the progress, before data is printed."""
        if self._status is None:
            self._first_line.step(text)
            return
        if not text:
            self._status.stop()
            return
        # Imported here: rich takes time to import, and only a terminal needs it.
        from rich.text import Text

        self._status.update(Text(clean(text)))
        self._status.start()

    def note(self, text: str) -> None:
        """Print a line that stays."""
        if self._quiet:
            return
        if self._status is not None:
            self._status.console.print(clean(text), markup=False)
        else:
            self._first_line.end()
            say(text)


class _FirstLine:
    """The first line of progress where no spinner is shown: the step that is current after PATIENCE."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._text = ""
        self._is_due = False

    def start(self) -> None:
        self._timer = threading.Timer(PATIENCE, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        """Print nothing from now on."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None

    def step(self, text: str) -> None:
        with self._lock:
            self._text = text
            self._print_if_due()

    def _expire(self) -> None:
        with self._lock:
            self._is_due = True
            self._print_if_due()

    def _print_if_due(self) -> None:
        if self._is_due and self._text and self._timer is not None:
            self._timer = None
            say(self._text)


def clean(text: str) -> str:
    """``text`` without control characters, so that a name from an index cannot steer a terminal."""
    return printable(hide_credentials(text))


class StandardError:
    """Progress on stderr for a command that is quick: notes only."""

    def step(self, text: str) -> None:
        """Nothing: there is no time to read it."""

    def note(self, text: str) -> None:
        """Print ``text``."""
        print(clean(text), file=sys.stderr)  # noqa: T201


def show_error(error: LockgenError) -> None:
    """Print every fault of ``error`` on stderr: message, place, reason, hint."""
    for fault in error.faults:
        say(render_fault(fault))


def say(text: str) -> None:
    """Print ``text`` on stderr. If that fails, only the exit code is left: the command goes on."""
    try:
        print(clean(text), file=sys.stderr)  # noqa: T201
    except OSError:
        # What is buffered would fail again at exit, and change the exit code.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)


def render_fault(fault: Fault, label: str = "error") -> str:
    """A fault as text: ``label: message``, then its place, its reason, and a hint after an empty line."""
    lines = [f"{label}: {fault.message}"]
    if fault.place is not None:
        lines.append(f"  --> {fault.place}")
    if fault.reason:
        lines.append("")
        lines += [f"  {line}".rstrip() for line in fault.reason.splitlines()]
    if fault.hint and fault.reason:
        lines += ["", f"hint: {fault.hint}"]
    elif fault.hint:
        lines.append(f"  hint: {fault.hint}")
    return "\n".join(lines)
