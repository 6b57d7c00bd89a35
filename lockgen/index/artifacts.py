"""What a file comes to once it is installed, and what building one takes; cached for good under its sha256."""

from __future__ import annotations

import configparser
import contextlib
import csv
import hashlib
import io
import json
import os
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lockgen.core.index import IndexFile
from lockgen.core.resolution import Request
from lockgen.core.urls import redacted
from lockgen.errors import LockgenError, ToolFailed
from lockgen.index.metadata import WORKERS, read_sdist
from lockgen.index.ports import BuildNeeds
from lockgen.index.remote_wheel import open_wheel
from lockgen.index.uv_pages import Pages
from lockgen.index.uv_settings import build_environment, routing_digest
from lockgen.io.cache import cache_root
from lockgen.io.http import Http
from lockgen.io.process import run
from lockgen.io.uv import clean_environment, default_index, find_uv

_FORMAT = 1
_BUILT = 2
"""Of what builds say. Before 2 their requirements came from the default index, listed packages too."""

Outcome = TypeVar("Outcome")
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, KeyError)


class ArtifactReader:
    """See ports.Artifacts."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._cache = cache_root() / "artifacts"

    def installed(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, int]:
        """Bytes by file name; what cannot be read is left out."""
        from concurrent.futures import ThreadPoolExecutor

        found: dict[str, int] = {}
        missing: list[IndexFile] = []
        for file in files:
            known = self._known(file, "installed")
            if type(known) is int:
                found[file.name] = known
            else:
                missing.append(file)
        if request.offline or not missing:
            return found
        pool = ThreadPoolExecutor(WORKERS)
        try:
            for file, size in zip(missing, pool.map(self._measured, missing), strict=True):
                if size is not None:
                    found[file.name] = size
                    self._remember(file, {"installed": size})
        finally:
            pool.shutdown(cancel_futures=True)
        return found

    def build_needs(self, file: IndexFile, request: Request) -> BuildNeeds:
        """Builds ``file`` once, in an isolated environment that sees nothing newer than the cut-off.

        Raises:
            ToolFailed: it does not build, or the cache lacks it and ``request`` is offline.
        """
        key = f"build-{_BUILT}{routing_digest(request)}"
        known = self._known(file, key)
        if isinstance(known, dict):
            with contextlib.suppress(KeyError, TypeError, ValueError):
                return BuildNeeds(tuple(map(str, known["requires"])), int(known["installed"]))
        if request.offline:
            raise ToolFailed(
                f"the cache does not know what building {file.name} takes", hint="run it without --offline"
            )
        needs = self._built(file, request)
        self._remember(file, {key: {"requires": needs.requires, "installed": needs.installed}})
        return needs

    def _measured(self, file: IndexFile) -> int | None:
        try:
            return measured(self._http, file).installed
        except LockgenError:
            return None

    def members(self, file: IndexFile, request: Request) -> list[str]:
        """The names of the files in the wheel that a source distribution builds, in the surroundings of ``request``.

        Raises:
            ToolFailed: it does not build.
        """
        return self._wheel(file, request, lambda _, wheel: wheel.namelist())

    def _built(self, file: IndexFile, request: Request) -> BuildNeeds:
        return self._wheel(file, request, lambda requires, wheel: BuildNeeds(requires, installed_bytes(wheel)))

    def _wheel(
        self, file: IndexFile, request: Request, look: Callable[[tuple[str, ...], zipfile.ZipFile], Outcome]
    ) -> Outcome:
        """What ``look`` makes of what the build requires, and of the wheel that comes of it."""
        archive = read_sdist(self._http, file)
        with tempfile.TemporaryDirectory(prefix="lockgen-") as name:
            folder = Path(name)
            (folder / file.name).write_bytes(archive)
            pages = Pages()
            environment = build_environment(folder, request, default_index(), pages, clean_environment(os.environ))
            environment["PATH"] = f"{Path(find_uv()).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
            command = [sys.executable, "-m", "lockgen.index.pep517_hooks", file.name, str(folder / "out")]
            done = run(command, cwd=folder, env=environment, timeout=1800)
            if done.code != 0:
                raise ToolFailed(
                    f"{file.name} does not build",
                    reason=done.last_lines(30),
                    hint="install what it needs to build, or pin a version that has a wheel",
                )
            answer = json.loads(done.stdout.splitlines()[-1])
            with zipfile.ZipFile(answer["wheel"]) as wheel:
                return look(tuple(answer["requires"]), wheel)

    # -- the cache -----------------------------------------------------------

    def _entry(self, file: IndexFile) -> Path | None:
        return self._cache / file.sha256[:2] / f"{file.sha256}.json" if file.sha256 else None

    def _known(self, file: IndexFile, key: str) -> object:
        entry = self._entry(file)
        try:
            data = json.loads(entry.read_bytes()) if entry is not None else {}
            return data.get(key) if data.get("format") == _FORMAT else None
        except (OSError, ValueError, AttributeError, RecursionError):
            return None

    def _remember(self, file: IndexFile, data: Mapping[str, object]) -> None:
        entry = self._entry(file)
        if entry is None:
            return
        with contextlib.suppress(OSError):  # a cache that cannot be written costs only time
            entry.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=entry.parent, suffix=".tmp", delete=False) as draft:
                json.dump({"format": _FORMAT, **data}, draft)
            os.replace(draft.name, entry)


def measured(http: Http, file: IndexFile) -> IndexFile:
    """``file`` with its sizes, from its end and from Content-Range; never from the cache.

    Raises:
        ToolFailed: it is not there, no wheel, or the server knows no ranges.
    """
    try:
        archive, size = open_wheel(http, file.url, file.name)
        with archive:
            found = installed_bytes(archive)
    except _UNREADABLE as error:
        raise ToolFailed(f"{file.name} at {redacted(file.url)} is no wheel", reason=str(error)) from error
    if file.size is not None and file.size != size:
        raise ToolFailed(f"{file.name} has {size} bytes, and the index page says {file.size}")
    return replace(file, size=size, installed=found)


def measured_here(path: Path, file: IndexFile) -> IndexFile:
    """``file`` with its sizes, from the wheel at ``path``.

    Raises:
        ToolFailed: it cannot be read, is no wheel, or has another sha256.
    """
    try:
        with path.open("rb") as opened:
            got = hashlib.file_digest(opened, "sha256").hexdigest()
            if got != file.sha256:
                raise ToolFailed(
                    f"{path} is not the file that was recorded",
                    reason=f"recorded: sha256 {file.sha256}\nthis one: sha256 {got}",
                )
            with zipfile.ZipFile(opened) as archive:
                return replace(file, size=path.stat().st_size, installed=installed_bytes(archive))
    except _UNREADABLE as error:
        raise ToolFailed(f"{path} is no wheel", reason=str(error)) from error
    except OSError as error:
        raise ToolFailed(f"{path} cannot be read: {error.strerror}") from error


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
"""What uv writes into bin/ for an entry point."""


def installed_bytes(archive: zipfile.ZipFile) -> int:
    """The bytes of all files of a wheel once uv has installed it into /opt/venv, without bytecode.

    From the central directory: the members' own sizes, and what an installer adds (INSTALLER, REQUESTED, a script for
    each entry point, and the lines that RECORD gets for them).

    Raises:
        ValueError, KeyError, zipfile.BadZipFile: it is no wheel.
    """
    members = [member for member in archive.infolist() if not member.is_dir()]
    record = next((m.filename for m in members if m.filename.endswith(".dist-info/RECORD")), None)
    if record is None:
        raise ValueError("it holds no RECORD")
    info = record.removesuffix("RECORD")
    total = sum(member.file_size for member in members)
    added = [(f"{info}INSTALLER", 2), (f"{info}REQUESTED", 0)]
    added += [(f"../../../bin/{name}", len(text)) for name, text in _scripts(archive, info)]
    total += sum(size for _, size in added)
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    for path, size in added:
        writer.writerow([path, f"sha256={hashlib.sha256().hexdigest()[:43]}", size])
    return total + len(rows.getvalue().encode())


def _scripts(archive: zipfile.ZipFile, info: str) -> list[tuple[str, str]]:
    if f"{info}entry_points.txt" not in archive.namelist():
        return []
    points = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    points.optionxform = str  # type: ignore[assignment,method-assign]
    points.read_string(archive.read(f"{info}entry_points.txt").decode())
    scripts = []
    for group in ("console_scripts", "gui_scripts"):
        for name, target in points.items(group) if points.has_section(group) else ():
            module, _, attribute = target.partition("[")[0].strip().partition(":")
            text = _SCRIPT.format(module=module.strip(), name=attribute.split(".")[0].strip(), call=attribute.strip())
            scripts.append((name, text))
    return scripts
