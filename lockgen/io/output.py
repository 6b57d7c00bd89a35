"""stdout, the one door: text from outside is cleaned, a failed write is an error, and progress never shares a line."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from lockgen.core.printable import printable
from lockgen.errors import ToolFailed

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def print_text(text: str, end: str = "\n") -> None:
    """Print ``text`` on stdout. Characters that could steer a terminal are replaced."""
    _print(printable(text), end)


def print_json(document: object) -> None:
    """Print ``document`` as JSON, which keeps all characters by escaping them."""
    # json.dumps escapes all but ASCII, and of ASCII all control characters but DEL.
    text = json.dumps(document, indent=2).replace("\x7f", "\\u007f")
    _print(text, "\n")


def _print(text: str, end: str) -> None:
    # While a spinner is shown, rich has replaced sys.stdout by one that prints on stderr.
    raw = _descriptor()
    if raw is not None and raw.before_write is not None:
        raw.before_write()
    print(text, end=end, flush=True)  # noqa: T201


class Output(io.FileIO):
    """The descriptor of stdout."""

    before_write: Callable[[], None] | None = None
    """Called before data is written: progress on the same terminal must be gone by then."""

    def write(self, data: ReadableBuffer, /) -> int:
        if self.before_write is not None:
            self.before_write()
        try:
            return super().write(data)
        except BrokenPipeError:
            raise  # the reader has read enough
        except OSError as error:
            hint = "check that the disk is not full and that stdout is not closed"
            raise ToolFailed(f"cannot write to stdout: {error.strerror}", hint=hint) from error


def install_streams() -> None:
    """Make sys.stdout an `Output`, and open the standard streams that the caller closed."""
    _open_closed_streams()
    raw = Output(1, "wb", closefd=False)
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    # Paths may have bytes that are not UTF-8, and a terminal may know ASCII only: neither may end a command.
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=raw.isatty()
    )


def _open_closed_streams() -> None:
    # The next file that is opened would get the number of a closed stream, and all that is printed would end up in it.
    # Messages on a closed stderr are not missed. Data without a stdout is lost: read-only, so that writing fails.
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, mode)
            os.dup2(null, descriptor)
            if null != descriptor:
                os.close(null)
            os.set_inheritable(descriptor, True)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def before_output(action: Callable[[], None] | None) -> None:
    """Call ``action`` before data is written to stdout, from now on."""
    raw = _descriptor()
    if raw is not None:
        raw.before_write = action


def _descriptor() -> Output | None:
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw if isinstance(raw, Output) else None


def discard_output() -> None:
    """Drop what is still buffered for stdout or stderr: flushing it at exit would fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
