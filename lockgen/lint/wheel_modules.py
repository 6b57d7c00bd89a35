"""The modules of locked packages: from the wheels themselves by range requests, or from source distributions.

Answers are cached without expiry, by the hash of the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from lockgen.core.accelerator import FAMILY
from lockgen.core.archives import BadArchive
from lockgen.core.documents import parse_json
from lockgen.core.index import IndexFile
from lockgen.core.lock import Package
from lockgen.core.parsing import parse_version
from lockgen.core.ports import Progress
from lockgen.core.resolution import Request
from lockgen.core.target import Target
from lockgen.core.words import counted
from lockgen.errors import FlatIndex, LockgenError, ToolFailed
from lockgen.index.artifacts import ArtifactReader
from lockgen.index.parallel_reads import WORKERS
from lockgen.index.remote_wheel import open_wheel
from lockgen.index.sdist_reader import read_sdist, read_text
from lockgen.index.simple_api import read_page
from lockgen.index.wheel_ranking import identity, wheel_rank
from lockgen.io.cache import FileCache
from lockgen.io.http import Http
from lockgen.io.parallel import Threads
from lockgen.io.uv import default_index
from lockgen.lint.import_names import modules_of, top_levels

_TOP_LEVEL = re.compile(r".*/top_level\.txt")


class ModuleReader:
    """Reads the modules of packages.

    ``indexes`` maps an index to its URL. No requests are sent to those in ``recorded``. A source distribution without
    a list of its modules is built with the ``build_request`` of its package, so that build requirements come from the
    same indexes as the family's other packages.
    """

    def __init__(
        self,
        http: Http,
        indexes: Mapping[str, str],
        recorded: frozenset[str],
        target: Target,
        build_request: Callable[[Package], Request],
        progress: Progress,
    ) -> None:
        self._http = http
        self._indexes = indexes
        self._recorded = recorded
        self._target = target
        self._build_request = build_request
        self._progress = progress
        self._cache = FileCache("modules")
        self._default_index = ""

    def read(self, packages: Sequence[Package], *, offline: bool) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
        """The modules of each pin, and for other pins the reasons why they are unknown.

        Raises:
            ToolFailed: the default index cannot be determined.
        """
        known: dict[str, frozenset[str]] = {}
        missing: dict[str, Package] = {}
        for package in packages:
            cached = self._cached(package)
            if cached is None:
                missing[package.pin] = package
            else:
                known[package.pin] = cached
        unknown: dict[str, str] = {}
        if offline:
            unknown = dict.fromkeys(sorted(missing), "its modules are not cached")
        elif missing:
            self._read_missing(missing, known, unknown)
        return known, unknown

    def _read_missing(
        self, missing: Mapping[str, Package], known: dict[str, frozenset[str]], unknown: dict[str, str]
    ) -> None:
        """Adds the answers for ``missing`` to ``known`` and ``unknown``."""
        self._default_index = default_index()
        self._progress.step(f"reading the modules of {counted(len(missing), 'package')}")
        packages = [missing[pin] for pin in sorted(missing)]
        answers = Threads(WORKERS).each(self._modules_or_reason, packages)
        for package, answer in zip(packages, answers, strict=True):
            if isinstance(answer, str):
                unknown[package.pin] = answer
            else:
                known[package.pin] = answer
                self._cache.keep(package.chosen.sha256, json.dumps(sorted(answer)))

    def _cached(self, package: Package) -> frozenset[str] | None:
        text = self._cache.recall(package.chosen.sha256)
        if text is None:
            return None
        try:
            names = parse_json(text)
        except ValueError:
            return None
        # A damaged cache counts as an empty one.
        return frozenset(map(str, names)) if isinstance(names, list) else None

    def _modules_or_reason(self, package: Package) -> frozenset[str] | str:
        """The modules, or the reason why they are unknown."""
        try:
            return self._modules(package)
        except FlatIndex:
            raise
        except LockgenError as error:
            return str(error)
        except (BadArchive, ValueError) as error:
            return f"cannot read {package.chosen.name}: {error}"

    def _modules(self, package: Package) -> frozenset[str]:
        if package.index is not None and package.index in self._recorded:
            return self._modules_of_recorded(package)
        index = self._default_index if package.index is None else self._indexes[package.index]
        page = read_page(self._http, index, package.name)
        for file in page.files:
            if file.name == package.chosen.name:
                return self._modules_of_file(file, package)
        raise ToolFailed(f"the index no longer lists {package.chosen.name}")

    def _modules_of_recorded(self, package: Package) -> frozenset[str]:
        """The modules of the default index's build of the same version, as only a record of this build is here."""
        # Only torch's family is the same project on every index. Other names are not sent to another index.
        if package.name not in FAMILY:
            raise ToolFailed(f"{package.pin} is only recorded")
        page = read_page(self._http, self._default_index, package.name)
        public = parse_version(parse_version(package.version).public)
        for file in page.files:
            if wheel_rank(file.name, self._target) is None:
                continue
            _, version = identity(file.name)
            if parse_version(version.public) == public:
                return self._modules_of_wheel(file)
        raise ToolFailed(
            f"{package.pin} is only recorded, and the default index has no build of {package.name} {public}"
        )

    def _modules_of_file(self, file: IndexFile, package: Package) -> frozenset[str]:
        if file.name.endswith(".whl"):
            return self._modules_of_wheel(file)
        archive = read_sdist(self._http, file)
        top_level = read_text(archive, file.name, _TOP_LEVEL)
        if top_level is not None:
            return top_levels(top_level.decode("utf-8", "replace"))
        self._progress.step(f"building {file.name} to determine its modules")
        members = ArtifactReader(self._http).members(file, self._build_request(package))
        return modules_of(members)

    def _modules_of_wheel(self, file: IndexFile) -> frozenset[str]:
        with open_wheel(self._http, file.url, file.name) as (archive, _):
            return modules_of(archive.namelist())
