"""What can be imported of locked packages: from the wheels themselves, by range requests; kept for good."""

from __future__ import annotations

import json
import posixpath
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from lzma import LZMAError

from packaging.version import Version

from lockgen.core.accelerator import FAMILY
from lockgen.core.index import IndexFile
from lockgen.core.lock import Package
from lockgen.core.ports import Progress
from lockgen.core.resolution import Request
from lockgen.core.target import Target
from lockgen.errors import LockgenError, ToolFailed
from lockgen.index.artifacts import ArtifactReader
from lockgen.index.parallel_reads import WORKERS
from lockgen.index.remote_wheel import open_wheel
from lockgen.index.sdist_reader import read_sdist
from lockgen.index.simple_api import read_page
from lockgen.index.wheel_ranking import identity, wheel_rank
from lockgen.io.cache import FileCache
from lockgen.io.http import Http
from lockgen.io.parallel import Threads
from lockgen.io.uv import default_index
from lockgen.lint.import_names import modules_of, top_levels

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    LZMAError,
    EOFError,
    ValueError,
    RuntimeError,
    OSError,
)


class ModuleReader:
    """``indexes`` maps an index to its URL; of those in ``recorded`` no network is asked.

    A source distribution that does not say it is built, in the ``surroundings`` of its package: what the build requires
    comes from where the family's other packages come from.
    """

    def __init__(
        self,
        http: Http,
        indexes: Mapping[str, str],
        recorded: frozenset[str],
        target: Target,
        surroundings: Callable[[Package], Request],
        progress: Progress,
    ) -> None:
        self._surroundings = surroundings
        self._http, self._indexes, self._recorded = http, indexes, recorded
        self._target, self._progress = target, progress
        self._memory = FileCache("modules")
        self._default = ""

    def read(self, packages: Sequence[Package], *, offline: bool) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
        """Modules by pin; and the reasons, by pin, why others are unknown.

        Raises:
            ToolFailed: the default index cannot be determined.
        """
        known = {package.pin: self._recalled(package) for package in packages}
        found = {pin: modules for pin, modules in known.items() if modules is not None}
        missing = sorted({package.pin: package for package in packages if package.pin not in found}.items())
        if not missing:
            return found, {}
        if offline:
            return found, dict.fromkeys((pin for pin, _ in missing), "the cache does not know its files")
        self._default = default_index()
        self._progress.step(f"reading which modules {len(missing)} packages hold")
        unknown: dict[str, str] = {}
        answers = Threads(WORKERS).each(lambda row: self._tried(row[1]), missing)
        for (pin, package), answer in zip(missing, answers, strict=True):
            if isinstance(answer, str):
                unknown[pin] = answer
            else:
                found[pin] = answer
                self._memory.keep(package.chosen.sha256, json.dumps(sorted(answer)))
        return found, unknown

    def _recalled(self, package: Package) -> frozenset[str] | None:
        text = self._memory.recall(package.chosen.sha256)
        try:
            kept = json.loads(text) if text is not None else None
        except ValueError:
            return None
        return frozenset(map(str, kept)) if isinstance(kept, list) else None

    def _tried(self, package: Package) -> frozenset[str] | str:
        """The modules, or the reason why they are unknown."""
        try:
            return self._fresh(package)
        except LockgenError as error:
            return str(error)
        except _BROKEN as error:
            return f"{package.chosen.name} cannot be read: {error}"

    def _fresh(self, package: Package) -> frozenset[str]:
        if package.index is not None and package.index in self._recorded:
            return self._sibling(package)
        index = self._default if package.index is None else self._indexes[package.index]
        page = read_page(self._http, index, package.name)
        file = next((file for file in page.files if file.name == package.chosen.name), None)
        if file is None:
            raise ToolFailed(f"the index does not list {package.chosen.name} any more")
        return self._wheel(file) if file.name.endswith(".whl") else self._source(file, package)

    def _sibling(self, package: Package) -> frozenset[str]:
        """Of a build that only a record is here of: the default index's build of the same version has its modules.

        Only torch's family is the same project on every index; other names are not sent to another index.
        """
        if package.name not in FAMILY:
            raise ToolFailed(f"of {package.pin} there is only a record")
        page = read_page(self._http, self._default, package.name)
        public = Version(Version(package.version).public)
        wheels = (file for file in page.files if wheel_rank(file.name, self._target) is not None)
        for file in (file for file in wheels if Version(identity(file.name)[1].public) == public):
            return self._wheel(file)
        raise ToolFailed(
            f"of {package.pin} there is only a record, and the default index has no build of {package.name} {public}"
        )

    def _wheel(self, file: IndexFile) -> frozenset[str]:
        archive, _ = open_wheel(self._http, file.url, file.name)
        with archive:
            return modules_of(archive.namelist())

    def _source(self, file: IndexFile, package: Package) -> frozenset[str]:
        for name, text in _texts(read_sdist(self._http, file), file.name).items():
            if posixpath.basename(name) == "top_level.txt":
                return top_levels(text)
        self._progress.step(f"building {file.name}: it does not say which modules it holds")
        return modules_of(ArtifactReader(self._http).members(file, self._surroundings(package)))


def _texts(archive: bytes, name: str) -> dict[str, str]:
    """The top_level.txt files in a source distribution."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(BytesIO(archive)) as packed:
            wanted = [member for member in packed.namelist() if member.endswith("/top_level.txt")]
            return {member: packed.read(member).decode("utf-8", "replace") for member in wanted}
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        found = {}
        for member in tar:
            if member.isfile() and member.name.endswith("/top_level.txt") and (opened := tar.extractfile(member)):
                found[member.name] = opened.read().decode("utf-8", "replace")
        return found
