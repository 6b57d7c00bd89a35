"""uv as a resolver: one ``uv pip compile`` to a pylock.toml (PEP 751), which holds files, sizes and hashes.

The listed packages reach uv as a folder of PEP 503 pages (a ``file:`` URL) that it asks before the default index, with
their metadata as static ``dependency-metadata``. So there is no server, and it works with ``--offline``, which refuses
loopback too.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.core.index import IndexFile
from lockgen.core.resolution import Request, Resolved, Solution
from lockgen.errors import Fault, LockgenError, NoResolution, ToolFailed
from lockgen.index.uv_pages import Pages, array, quoted
from lockgen.index.uv_settings import PREVIEW, settings
from lockgen.index.wheel_ranking import identity, usable_files, wheel_rank
from lockgen.io.process import Finished, run
from lockgen.io.uv import check_version, clean_environment, default_index, find_uv, interpreter

_PROJECT = "lockgen-family"


class Uv:
    """The default resolver. ``time_limit`` is the seconds that one solve may take.

    Which uv there is and which default index it uses is asked once: a session of many questions has one answer to both.
    """

    name = "uv"

    def __init__(self, time_limit: float = 600) -> None:
        self._time_limit = time_limit
        self._pages = Pages()

    @cached_property
    def _program(self) -> tuple[str, str]:
        """The program and its version."""
        uv = find_uv()
        return uv, check_version(uv)

    @property
    def version(self) -> str:
        """ "uv 0.13.9"."""
        return self._program[1]

    @cached_property
    def default_index(self) -> str:
        """The address of the default index, credentials included."""
        return default_index()

    def solve(self, request: Request) -> Solution:
        """See ports.Resolver."""
        with tempfile.TemporaryDirectory(prefix="lockgen-") as folder:
            uv = self._program[0]
            python = interpreter(uv, request.target.python)
            return _Solve(uv, Path(folder), request, self.default_index, self._time_limit, python, self._pages).run()


@dataclass
class _Solve:
    uv: str
    folder: Path
    request: Request
    index: str
    time_limit: float
    python: str
    pages: Pages

    def run(self) -> Solution:
        self._write()
        done = run(self._command(), cwd=self.folder, env=clean_environment(os.environ), timeout=self.time_limit)
        if done.code != 0:
            error = _failure(done, self.request)
            raise type(error).of([self._explained(fault) for fault in error.faults])
        return Solution(_read_pylock(self.folder / "pylock.toml", self.request))

    def _explained(self, fault: Fault) -> Fault:
        """``fault`` with what the explicit indexes lack of the pins: uv says of it only that there is nothing."""
        lacking = []
        for pin in map(Requirement, self.request.constraints):
            name = canonicalize_name(pin.name)
            if (where := self.request.routes.get(name)) is not None and not self._offers(where, name, pin):
                lacking.append(f"index {where} has no {pin.name} {pin.specifier} that runs on the target")
                lacking += self._withheld(where, name, pin)
        if not lacking:
            return fault
        hint = "choose a version that it has, or make its record anew: lockgen index record NAME"
        return replace(fault, reason="\n".join([fault.reason or "", *lacking]).strip(), hint=hint)

    def _withheld(self, where: str, name: str, pin: Requirement) -> list[str]:
        """The files that ``pin`` means and that are there, but could not be offered: no hash, no metadata."""
        found = []
        for file, reason in sorted(self.request.indexes[where].withheld.items()):
            owner, version = identity(file)
            if owner == name and pin.specifier.contains(version, prereleases=True):
                found.append(f"{file} was left out: {reason}")
        return found

    def _offers(self, where: str, name: str, pin: Requirement) -> bool:
        offered = self.pages.offered(self.request.indexes[where], name, self.request.target)
        return any(pin.specifier.contains(version, prereleases=True) for version in offered)

    def _command(self) -> list[str]:
        target = self.request.target
        command = [self.uv, "pip", "compile", "pyproject.toml", "-o", "pylock.toml", "--quiet"]
        command += ["--config-file", "uv.toml", "--preview-features", f"{PREVIEW},pylock"]
        command += ["--python-version", target.python, "--python-platform", target.uv_platform]
        command += ["--python", self.python, "--only-binary", ":all:"]
        for name in sorted(self.request.build):
            command += ["--no-binary", name]
        return command + (["--offline"] if self.request.offline else [])

    def _write(self) -> None:
        python = self.request.target.python
        requirements = array(sorted(self.request.requirements))
        (self.folder / "pyproject.toml").write_text(
            f'[project]\nname = "{_PROJECT}"\nversion = "0"\nrequires-python = "=={python}.*"\n'
            f"dependencies = {requirements}\n"
        )
        (self.folder / "uv.toml").write_text(settings(self.request, self.index, self.pages))
        _write_preferences(self.folder / "pylock.toml", self.request)


def _write_preferences(path: Path, request: Request) -> None:
    path.unlink(missing_ok=True)
    if request.preferences:
        lines = ['lock-version = "1.0"', 'created-by = "lockgen"']
        for name, version in sorted(request.preferences.items()):
            lines += ["[[packages]]", f"name = {quoted(name)}", f"version = {quoted(version)}"]
        path.write_text("\n".join(lines) + "\n")


def _read_pylock(path: Path, request: Request) -> dict[str, Resolved]:
    document = tomli.loads(path.read_text(encoding="utf-8"))
    found: dict[str, Resolved] = {}
    for entry in document.get("packages", []):
        name = str(canonicalize_name(entry["name"]))
        listed = [*entry.get("wheels", []), *([entry["sdist"]] if "sdist" in entry else [])]
        index = request.routes.get(name)
        page = request.indexes[index].pages.get(name) if index is not None else None
        original = {file.name: file for file in page.files} if page is not None else {}
        files = []
        for item in listed:
            url = str(item.get("url") or Path(str(item["path"])).as_uri())
            file = str(item.get("name") or _name_in(url))
            if index is not None and file not in original:
                raise ToolFailed(
                    f"uv took {file}, which index {index} does not have",
                    hint="this is a bug of lockgen or of this uv; nothing was written",
                )
            # A package has wheels for many machines: only those that run on the target become files.
            if not file.endswith(".whl") or wheel_rank(file, request.target) is not None:
                files.append(original.get(file) or _file(item, url, file))
        usable = usable_files(name, files, request.target, build=request.build)
        found[name] = Resolved(name, str(Version(entry["version"])), index, usable)
    return found


@lru_cache(maxsize=1 << 16)
def _name_in(url: str) -> str:
    return unquote(urlsplit(url).path.rsplit("/", 1)[-1])


def _file(item: dict[str, object], url: str, name: str) -> IndexFile:
    hashes, size = item.get("hashes"), item.get("size")
    sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
    return IndexFile(name, url, sha256, size if isinstance(size, int) else None, vouched=False)


_WHEEL_NEEDED = re.compile(r"Wheels are required for `([^`]+)`|([\w.-]+?)(?:[=<>!~]+\S+)? has no usable wheels")


# Of a package with an extra or a marker uv says offline that there are no versions, where its page was never fetched.
_UNSEEN = re.compile(r"there (?:is no version|are no versions) of [\w.-]+[\[{]")


def _failure(done: Finished, request: Request) -> LockgenError:
    text = done.stderr.strip().replace(_PROJECT, "the family")
    text = re.sub(r"^error: ", "", text)
    unseen = request.offline and _UNSEEN.search(" ".join(text.split()))
    if unseen or "network was disabled" in text or "not found in the cache" in text:
        return ToolFailed(
            "the cache does not hold all that this needs", reason=text, hint="run it once without --offline"
        )
    # Further down it may be what building some source distribution requires that has no solution: no conflict of ours.
    if re.match(r"\W*No solution found", text):
        names = sorted({canonicalize_name(a or b) for a, b in _WHEEL_NEEDED.findall(text)} - request.build)
        reason = text.split("\n", 1)[-1]
        reason = re.sub(r"\n*hint: Wheels are required.*", "", reason)
        reason = re.sub(r"^\s*cause: ", "", reason)
        reason = "\n".join(line.strip() for line in reason.strip().splitlines())
        hint = None
        if names:
            listed = ", ".join(f'"{name}"' for name in names)
            hint = (
                f"no wheel of {', '.join(names)} runs on the target: choose another version, or, where its source"
                f" builds there, [family] build = [{listed}]"
            )
        return NoResolution("no solution", reason=reason, hint=hint)
    if re.search(r"Failed to build|build backend|build-system\.requires", text):
        message = text.splitlines()[0]
        return ToolFailed(
            f"{message[:1].lower()}{message[1:]}", reason=text, hint="nothing says that versions conflict"
        )
    if "Request failed" in text or "Failed to fetch" in text or "error sending request" in text:
        return ToolFailed("the index could not be read", reason=text, hint="run it again, or --offline from the cache")
    if "No space left" in text:
        return ToolFailed("the disk is full", reason=text, hint="free some space; nothing was written")
    return ToolFailed(f"uv stopped with exit code {done.code}", reason=text or None)
