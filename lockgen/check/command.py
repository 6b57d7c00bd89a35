"""`lockgen check` in front of the real one: nothing is imported or parsed where nothing changed since it last passed.

A pass is remembered under the sha256 of every byte that it looked at: versions.toml, the lock, every file where
lockgen writes, the recorded indexes, and lockgen's own code. The memory lies in the user's cache, never in the
project, so an edit can't bring its own pass along; any other byte is another key, and then the whole check runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
from pathlib import Path

from lockgen import __version__
from lockgen.errors import Exit, LockgenError
from lockgen.io.cache import cache_root

_KEY = re.compile(r"[0-9a-f]{64}")
_FOLDERS = ("docker", "locks")


def run(root: Path, *, as_json: bool) -> int:
    """As commands.check.run."""
    memory = cache_root() / "checked"
    key = _key(root)
    if key is not None and not as_json and (memory / key).exists():
        return Exit.DONE
    from lockgen.check.full_check import run as run_check

    code = run_check(root, as_json=as_json)
    # Only what did not change under the check's hands is what it checked.
    if code == Exit.DONE and key is not None and key == _key(root):
        _remember(memory, key)
    return code


def _key(root: Path) -> str | None:
    """One digest of all that `check` reads; None where something cannot be read or is no plain file, which the
    whole check tells best.
    """
    from lockgen.io.workspace import Folder

    digest = hashlib.sha256(f"{__version__} {sys.version}".encode())
    try:
        with Folder(root).shared():
            _add(digest, str(root / "versions.toml"))
            if os.path.lexists(root / ".dockerignore"):
                _add(digest, str(root / ".dockerignore"))
            for folder in [*_FOLDERS, *_recorded(root / "versions.toml")]:
                _walk(digest, str(root / folder))
        _walk(digest, str(Path(__file__).parent.parent))
    except (OSError, LockgenError, _Odd):
        return None
    return digest.hexdigest()


def _recorded(versions: Path) -> list[str]:
    """Where the recorded indexes lie: anywhere in the project."""
    import tomllib

    try:
        tables = tomllib.loads(versions.read_text(encoding="utf-8"))["index"].values()
        return sorted(str(table["recorded"]) for table in tables if "recorded" in table)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return []  # no index, or a file that never passes


class _Odd(Exception):
    """A link, a FIFO, a device: what these lead to can change without a byte of theirs."""


def _walk(digest: hashlib._Hash, top: str) -> None:
    if not os.path.lexists(top):
        return
    if os.path.islink(top):
        raise _Odd(top)
    pending = [top]
    while pending:
        with os.scandir(pending.pop()) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                _add(digest, entry.path)
            elif entry.name != "__pycache__":
                pending.append(entry.path)


def _add(digest: hashlib._Hash, path: str) -> None:
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise _Odd(path)
    with open(path, "rb") as file:
        data = file.read()
    # Lengths keep two neighbours from being read as one.
    digest.update(os.fsencode(path) + b"\0%d\0" % len(data))
    digest.update(data)


def _remember(memory: Path, key: str) -> None:
    try:
        memory.mkdir(parents=True, exist_ok=True)
        own = (entry for entry in memory.iterdir() if _KEY.fullmatch(entry.name))
        for old in sorted(own, key=lambda entry: entry.stat().st_mtime)[:-200]:
            old.unlink()
        (memory / key).touch()
    except OSError:
        return  # a cache that cannot be written costs only time
