"""The installed size of a wheel, from its central directory: nothing is unpacked."""

from __future__ import annotations

import configparser
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from lockgen.core.archives import BadArchive, open_zip, read_member
from lockgen.core.index import IndexFile
from lockgen.core.urls import redacted
from lockgen.errors import ToolFailed
from lockgen.index.installed_paths import InstalledPaths
from lockgen.index.remote_wheel import open_wheel
from lockgen.io.http import Http

_UNREADABLE = (BadArchive, ValueError, KeyError, configparser.Error)
_LARGEST_TEXT = 5 * 1024 * 1024

# What uv writes into bin/ for an entry point.
_SCRIPT = """\
#!/opt/venv/bin/python
# -*- coding: utf-8 -*-
import sys
from {module} import {name}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({call}())
"""


class _AddedFile(NamedTuple):
    """A file that the installer adds. ``path`` is the one in RECORD."""

    path: str
    size: int


def measure_remote(http: Http, file: IndexFile) -> IndexFile:
    """``file`` with both sizes, by range requests; never from the cache. What it installs is kept in the cache.

    Raises:
        ToolFailed: it is missing, is not a wheel, or the server does not support ranges.
    """
    try:
        with open_wheel(http, file.url, file.name) as (archive, size):
            installed = installed_bytes(archive)
            InstalledPaths().keep(file.sha256, archive)
    except _UNREADABLE as error:
        raise ToolFailed(f"{file.name} at {redacted(file.url)} is not a wheel", reason=str(error)) from error
    # Another size means other bytes, and the sha256 of a part cannot be checked.
    if file.size is not None and file.size != size:
        raise ToolFailed(f"{file.name} has {size} bytes, but the index page lists {file.size}")
    return replace(file, size=size, installed=installed)


def measure_local(path: Path, file: IndexFile) -> IndexFile:
    """``file`` with both sizes, from the wheel at ``path``.

    Raises:
        ToolFailed: it cannot be read, is not a wheel, or has another sha256 than ``file``.
    """
    try:
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
            if found != file.sha256:
                raise ToolFailed(
                    f"{path} is not the recorded file",
                    reason=f"recorded: sha256 {file.sha256}\nthis file: sha256 {found}",
                )
            with open_zip(opened) as archive:
                installed = installed_bytes(archive)
        size = path.stat().st_size
    except _UNREADABLE as error:
        raise ToolFailed(f"{path} is not a wheel", reason=str(error)) from error
    except OSError as error:
        raise ToolFailed(f"cannot read {path}: {error.strerror}") from error
    return replace(file, size=size, installed=installed)


def installed_bytes(archive: zipfile.ZipFile) -> int:
    """The size in bytes of all files of a wheel once uv has installed it into /opt/venv, without bytecode.

    This is the size of the members, and of what an installer adds: INSTALLER, REQUESTED, a script for each entry point,
    and a line in RECORD for each of them.

    Raises:
        ValueError, BadArchive: it is not a wheel.
    """
    members = [member for member in archive.infolist() if not member.is_dir()]
    info = _info_folder(members)
    # uv writes "uv" into INSTALLER, and leaves REQUESTED empty.
    added = [_AddedFile(f"{info}INSTALLER", 2), _AddedFile(f"{info}REQUESTED", 0)]
    added += _scripts(archive, info)
    members_size = sum(member.file_size for member in members)
    added_size = sum(file.size for file in added)
    return members_size + added_size + _record_lines_size(added)


def _info_folder(members: list[zipfile.ZipInfo]) -> str:
    """The path of the wheel's *.dist-info folder, with its slash."""
    for member in members:
        if member.filename.endswith(".dist-info/RECORD"):
            return member.filename.removesuffix("RECORD")
    raise ValueError("it has no RECORD")


def _record_lines_size(added: list[_AddedFile]) -> int:
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    # Any hash has the right length: 43 characters, as base64 without padding.
    digest = hashlib.sha256().hexdigest()[:43]
    for file in added:
        writer.writerow([file.path, f"sha256={digest}", file.size])
    return len(rows.getvalue().encode())


def _scripts(archive: zipfile.ZipFile, info: str) -> Iterator[_AddedFile]:
    path = f"{info}entry_points.txt"
    if path not in archive.namelist():
        return
    # Names of scripts are case-sensitive and may have colons and percent signs, unlike those of an ini file.
    points = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    points.optionxform = str  # type: ignore[assignment,method-assign]
    points.read_string(read_member(archive, path, _LARGEST_TEXT).decode())
    for group in ("console_scripts", "gui_scripts"):
        if points.has_section(group):
            for name, target in points.items(group):
                yield _AddedFile(f"../../../bin/{name}", _script_size(target))


def _script_size(target: str) -> int:
    """The size of the script for ``target``, such as "package.module:object.attribute [extra]"."""
    reference = target.partition("[")[0]
    module, _, attribute = reference.strip().partition(":")
    name = attribute.split(".")[0]
    return len(_SCRIPT.format(module=module.strip(), name=name.strip(), call=attribute.strip()))
