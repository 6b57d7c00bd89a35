"""Which files belong to lockgen (guarantee 11), as pure functions of paths and bytes.

A file is lockgen's if a lock records its path, or if it begins with lockgen's header. All other files are the user's:
no command replaces or removes them.
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
"""Patterns of generated files; a file that matches one and that the lock does not produce is extra."""

# Recorded indexes: they are not generated from the lock, but `locks/*/*.txt` could match their files.
KEPT_OUT = ("locks/index/",)

_SINGLE_FILES = (COMPAT_PATH, PAIRS_PATH, SEEN_PATH, "versions.toml")
"""Files that one command writes: `compat`, `pairs`, `update`, and `bump` with `repair`."""

# Editors on Windows may add it; the file is still lockgen's.
_BOM = b"\xef\xbb\xbf"

# The header up to its colon: the words after it may differ between versions of lockgen.
_HEADERS = tuple(mark.split(":")[0].encode() + b":" for mark in (MARK, COMPAT_MARK))

# JSON has no comments, so the first keys in lockgen's layout are the header: of a lock, of a recorded index,
# of a pair table and of the first-seen file.
_JSON_HEADER = re.compile(
    rb'\{\r?\n"format": \d+,\r?\n"(?:family|name)": "'
    rb'|\{\r?\n "format": \d+,\r?\n "(?:releases|seen)": \{'
)

_METADATA = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*-[0-9][0-9a-z.!+]*\.txt")
"""A metadata file of a recorded index: PROJECT-VERSION.txt, or PROJECT-VERSION.2.txt if builds differ."""


def is_generated(path: str) -> bool:
    """Whether `lockgen resolve` writes files of this name."""
    if path.startswith(KEPT_OUT):
        return False
    # The `*` of fnmatch matches a slash, too. So only patterns of the same depth count.
    depth = path.count("/")
    patterns = [pattern for pattern in GENERATED if pattern.count("/") == depth]
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def has_header(data: bytes) -> bool:
    """Whether the first line is lockgen's header, or the second one after a `#!` line."""
    text = data.removeprefix(_BOM)
    # Of a script, the first line has to be the interpreter.
    if text.startswith(b"#!"):
        text = text.partition(b"\n")[2]
    return text.startswith(_HEADERS) or _JSON_HEADER.match(text) is not None


# -- what a journal may contain ---------------------------------------------------
# A journal names files to replace and remove, and may come with a clone. So it is limited to these names: journal.py.


def is_writable(path: str) -> bool:
    """Whether some command of lockgen writes files of this name."""
    return is_generated(path) or path in _SINGLE_FILES or _is_program(path) or _is_record(path)


def is_removable(path: str) -> bool:
    """Whether some command of lockgen removes files of this name."""
    return is_generated(path) or _is_metadata(path)


def _is_program(path: str) -> bool:
    """The program of a stage, docker/STAGE/NAME: lockgen writes its first version."""
    return path.startswith("docker/") and path.count("/") == 2


def _is_record(path: str) -> bool:
    """A file of a recorded index, which may be in any folder of the project."""
    return path.endswith("/index.json") or _is_metadata(path)


def _is_metadata(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return folder.endswith("/metadata") and _METADATA.fullmatch(name) is not None
