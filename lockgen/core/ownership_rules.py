"""Which files are lockgen's (guarantee 11), as pure functions of paths and bytes.

A path is lockgen's if a lock records it, or if the file there begins with lockgen's header. Everything else is the
user's, and no command replaces or removes it.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from lockgen.core.layout import (
    BAKE,
    BUILD,
    COMPAT_MARK,
    COMPAT_PATH,
    IGNORE,
    LOCK_PATH,
    MARK,
    PAIRS_PATH,
    SCRIPT,
    SEEN_PATH,
    VERSIONS,
)

GENERATED = (
    "docker/requirements-common*.txt",
    "docker/*/requirements-*.txt",
    "docker/*/build-*.txt",
    "docker/*/Dockerfile",
    "docker/*/self_check.py",
    "locks/*/*.txt",
    f"{BUILD}.txt",
    f"{BUILD}-*.txt",
    BAKE,
    SCRIPT,
    VERSIONS,
    IGNORE,
    LOCK_PATH,
)
"""Where generated files are; a file there that the lock does not produce is extra."""

KEPT_OUT = ("locks/index/",)

_SINGLE_FILES = (COMPAT_PATH, PAIRS_PATH, SEEN_PATH, "versions.toml")
"""What a command writes by itself: `compat`, `pairs`, `update`, and `bump` with `repair`."""

_BOM = b"\xef\xbb\xbf"

# The header up to its colon: the words after it may differ between versions of lockgen.
_HEADERS = tuple(mark.split(":")[0].encode() + b":" for mark in (MARK, COMPAT_MARK))

# JSON has no comments, so the first keys, as lockgen lays them out, are the header: of a lock, of a recorded index,
# of a pair table and of first sights.
_JSON_HEADER = re.compile(
    rb'\{\r?\n"format": \d+,\r?\n"(?:family|name)": "'
    rb'|\{\r?\n "format": \d+,\r?\n "(?:releases|seen)": \{'
)

_METADATA = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*-[0-9][0-9a-z.!+]*\.txt")
"""A metadata file of a recorded index: PROJECT-VERSION.txt, or PROJECT-VERSION.2.txt where builds differ."""


def is_generated(path: str) -> bool:
    """Whether `lockgen resolve` writes files of this name."""
    if path.startswith(KEPT_OUT):
        return False
    # fnmatch's `*` matches a slash too, hence the second condition.
    return any(fnmatchcase(path, pattern) and path.count("/") == pattern.count("/") for pattern in GENERATED)


def has_header(data: bytes) -> bool:
    """Whether the first line is lockgen's header, or the second one after a `#!` line."""
    text = data.removeprefix(_BOM)
    if text.startswith(b"#!"):
        text = text.partition(b"\n")[2]
    return text.startswith(_HEADERS) or _JSON_HEADER.match(text) is not None


# -- what a journal may contain ---------------------------------------------------


def is_writable(path: str) -> bool:
    """Whether some command of lockgen writes files of this name."""
    return is_generated(path) or path in _SINGLE_FILES or _is_program(path) or _is_record(path)


def is_removable(path: str) -> bool:
    """Whether some command of lockgen removes files of this name."""
    return is_generated(path) or _is_metadata(path)


def _is_program(path: str) -> bool:
    """A stage's program, docker/STAGE/NAME: lockgen writes the first version of it."""
    return path.startswith("docker/") and path.count("/") == 2


def _is_record(path: str) -> bool:
    """A file of a recorded index, which may be in any folder of the project."""
    return path.endswith("/index.json") or _is_metadata(path)


def _is_metadata(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return folder.endswith("/metadata") and _METADATA.fullmatch(name) is not None
