"""What wheels need on disk and what builds require; cached under the sha256 of each file, without expiry."""

from __future__ import annotations

import configparser
import os
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lockgen.core.archives import BadArchive, open_zip
from lockgen.core.documents import parse_json
from lockgen.core.index import IndexFile
from lockgen.core.resolution import Request
from lockgen.errors import LockgenError, ToolFailed
from lockgen.index.installed_size import installed_bytes, measure_remote
from lockgen.index.json_cache import read_cached, write_cached
from lockgen.index.parallel_reads import WORKERS
from lockgen.index.ports import BuildNeeds
from lockgen.index.sdist_reader import read_sdist
from lockgen.index.uv_pages import Pages
from lockgen.index.uv_settings import build_environment, routing_digest
from lockgen.io.cache import cache_root
from lockgen.io.find_uv import find_uv
from lockgen.io.http import Http
from lockgen.io.process import Finished, run
from lockgen.io.temporary import temporary_folder
from lockgen.io.uv import clean_environment, default_index

_FORMAT = 1
_BUILD_FORMAT = 2
"""The format of answers of builds. Format 1 took all build requirements from the default index, routed ones too."""
_BUILD_TIMEOUT = 1800

Outcome = TypeVar("Outcome")


class ArtifactReader:
    """See ports.Artifacts."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._cache = cache_root() / "artifacts"

    def installed(self, files: Sequence[IndexFile], request: Request) -> Mapping[str, int]:
        """See ports.Artifacts."""
        # Imported here: most runs find every size in the record or the cache.
        from lockgen.io.stopping import thread_pool

        found: dict[str, int] = {}
        missing: list[IndexFile] = []
        for file in files:
            cached = self._cached(file, "installed")
            # Not isinstance: True is an int.
            if type(cached) is int:
                found[file.name] = cached
            else:
                missing.append(file)
        if request.offline or not missing:
            return found
        with thread_pool(WORKERS) as pool:
            sizes = pool.map(self._measured, missing)
            for file, size in zip(missing, sizes, strict=True):
                if size is not None:
                    found[file.name] = size
                    self._remember(file, {"installed": size})
        return found

    def build_needs(self, file: IndexFile, request: Request) -> BuildNeeds:
        """Build ``file`` once, in an isolated environment without releases after the cut-off.

        Raises:
            ToolFailed: it does not build, or it is not cached and ``request`` is offline.
        """
        # The routing is part of the key: a build requirement may come from another index under another request.
        key = f"build-{_BUILD_FORMAT}{routing_digest(request)}"
        cached = _build_needs(self._cached(file, key))
        if cached is not None:
            return cached
        if request.offline:
            raise ToolFailed(
                f"the cache does not have the build requirements of {file.name}", hint="run it without --offline"
            )
        needs = self._build(file, request, lambda requires, wheel: BuildNeeds(requires, installed_bytes(wheel)))
        self._remember(file, {key: {"requires": needs.requires, "installed": needs.installed}})
        return needs

    def members(self, file: IndexFile, request: Request) -> list[str]:
        """The names of the files in the wheel that a source distribution builds, with the routing of ``request``.

        Raises:
            ToolFailed: it does not build.
        """
        return self._build(file, request, lambda _, wheel: wheel.namelist())

    def _measured(self, file: IndexFile) -> int | None:
        try:
            return measure_remote(self._http, file).installed
        except LockgenError:
            # Sizes are for information: a missing one never stops a lock.
            return None

    def _build(
        self, file: IndexFile, request: Request, examine: Callable[[tuple[str, ...], zipfile.ZipFile], Outcome]
    ) -> Outcome:
        """Build ``file``; the result of ``examine`` for its build requirements and its wheel."""
        archive = read_sdist(self._http, file)
        with temporary_folder() as folder:
            (folder / file.name).write_bytes(archive)
            done = _run_build(folder, file.name, request)
            if done.code != 0:
                raise ToolFailed(
                    f"{file.name} does not build",
                    reason=done.last_lines(30),
                    hint="install what it needs to build, or pin a version that has a wheel",
                )
            # The build itself may print anything before the last line.
            answer = parse_json(done.stdout.splitlines()[-1])
            try:
                with Path(answer["wheel"]).open("rb") as built, open_zip(built) as wheel:
                    return examine(tuple(answer["requires"]), wheel)
            except (BadArchive, ValueError, KeyError, configparser.Error) as error:
                wheel_name = Path(answer["wheel"]).name
                raise ToolFailed(f"{file.name} builds {wheel_name}, which is not a wheel", reason=str(error)) from error

    # -- the cache -----------------------------------------------------------

    def _entry(self, file: IndexFile) -> Path | None:
        if not file.sha256:
            return None
        return self._cache / file.sha256[:2] / f"{file.sha256}.json"

    def _cached(self, file: IndexFile, key: str) -> object:
        """The cached answer ``key`` about ``file``; None if there is none."""
        entry = self._entry(file)
        document = read_cached(entry) if entry is not None else None
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            return None
        return document.get(key)

    def _remember(self, file: IndexFile, answer: Mapping[str, object]) -> None:
        entry = self._entry(file)
        if entry is not None:
            write_cached(entry, {"format": _FORMAT, **answer})


def _build_needs(cached: object) -> BuildNeeds | None:
    """The cached answer of a build; None if there is none, or if it is damaged."""
    if not isinstance(cached, dict):
        return None
    try:
        return BuildNeeds(tuple(map(str, cached["requires"])), int(cached["installed"]))
    except (KeyError, TypeError, ValueError):
        return None


def _run_build(folder: Path, archive: str, request: Request) -> Finished:
    """Run `pep517_hooks` on ``archive`` in ``folder``; the wheel goes to the folder "out" in it."""
    # The folder of pages is removed with this object: it must live until the build is done.
    pages = Pages()
    environment = build_environment(folder, request, default_index(), pages, clean_environment(os.environ))
    # `build` looks for uv on PATH, where the one that was installed with lockgen need not be.
    uv_folder = Path(find_uv()).parent
    environment["PATH"] = f"{uv_folder}{os.pathsep}{environment.get('PATH', os.defpath)}"
    command = [sys.executable, "-m", "lockgen.index.pep517_hooks", archive, str(folder / "out")]
    return run(command, cwd=folder, env=environment, timeout=_BUILD_TIMEOUT)
