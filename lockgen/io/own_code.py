"""lockgen's own code, as a part of what decides the results that caches keep."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

import lockgen


@cache
def own_code() -> str:
    """A digest of the state of all files of the package, as a version may change many times before its release.

    As git does for its index, this trusts sizes and times: reading all files would take longer than an unchanged
    `check`. The time of the last change of the inode (ctime) cannot be set by programs, so that an edit with an old
    modification time is noticed, too.
    """
    states = [str(lockgen.__version__)]
    pending = [str(Path(lockgen.__file__).parent)]
    while pending:
        with os.scandir(pending.pop()) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    pending.append(entry.path)
                continue
            status = entry.stat()
            states.append(f"{entry.path}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}")
    return hashlib.sha256(os.fsencode("\n".join(states))).hexdigest()
