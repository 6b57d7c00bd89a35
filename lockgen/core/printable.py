"""Text from outside, such as names, versions and messages of tools, made safe to print."""

from __future__ import annotations

import re

REPLACEMENT = "�"
# Other characters of ASCII need no look-up, which makes this fast for large texts.
_SUSPECT = re.compile(r"[^\t\n\x20-\x7e]")


def printable(text: str) -> str:
    """``text`` with a replacement for each character that is not printable, except newlines and tabs.

    Such characters steer a terminal (C0, C1, DEL), change the order of letters (bidirectional controls) or are
    invisible (zero width).
    """
    return _SUSPECT.sub(lambda found: found[0] if found[0].isprintable() else REPLACEMENT, text)


def one_line(text: str) -> str:
    """``text`` on one line, so that a name with a line break cannot pretend to be a line of output."""
    return " ".join(printable(text).split())
