"""uv as a resolver: one ``uv pip compile`` to a pylock.toml (PEP 751), which holds files, sizes and hashes.

An explicit index reaches uv as a folder of PEP 503 pages (a ``file:`` URL) with its metadata as static
``dependency-metadata``: no wheel, no server, and it works with ``--offline``, which refuses loopback too.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockgen.adapters.process import Finished, run
from lockgen.adapters.resolvers.pages import Pages, array, quoted
from lockgen.adapters.resolvers.usable import identity, usable_files, wheel_rank
from lockgen.errors import Fault, LockgenError, NoResolution, ToolFailed
from lockgen.ports import IndexFile, Request, Resolved, Solution

# The first that knows the preview feature index-exclude-newer; it and the newest lock the reference family alike.
OLDEST = Version("0.11.5")
_PROJECT = "lockgen-family"
_FOR_GOOD = "max-age=365000000, immutable"

# What may pass from the caller's environment: where uv caches, how it trusts and reaches the network.
# Anything else could add an index, a constraint or another rule, and two machines would lock differently.
_PASSES = re.compile(
    r"UV_(CACHE_DIR|CONCURRENT_\w+|HTTP_\w+|KEYRING_PROVIDER|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|REQUEST_TIMEOUT)"
    r"|UV_INDEX_\w+_(USERNAME|PASSWORD)|(?!UV_|PIP_).*"
)


def find_uv() -> str:
    """The uv that was installed with lockgen, else the one on PATH.

    Raises:
        ToolFailed: there is none.
    """
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise ToolFailed("uv was not found", hint="install it beside lockgen: pip install uv")
    return found


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without the settings that could change what is resolved."""
    kept = {name: value for name, value in environ.items() if _PASSES.fullmatch(name)}
    # The pins tell uv at once what to ask for, and its 50 connections at once look up 50 addresses: a small DNS server
    # drops some of them, and each costs its caller's time-out of 5 s. 16 are as quick where none is dropped.
    kept.setdefault("UV_CONCURRENT_DOWNLOADS", "16")
    # What uv says is read: in a narrow terminal it would break an address or a derivation into lines.
    return {**kept, "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1", "UV_NO_WRAP": "1"}


def default_index() -> str:
    """The address of the default index as the user's own uv settings have it, credentials included.

    Settings of a project count for nothing: one family is locked alike from whatever folder. Each process asks once.
    """
    return _told_index(find_uv(), tuple(sorted(os.environ.items())))


@cache
def _told_index(uv: str, environ: tuple[tuple[str, str], ...]) -> str:
    # It needs some Python, and would download one rather than go without. uv says it from its settings alone.
    command = [uv, "pip", "compile", "-", "--emit-index-url", "--no-header", "--python", sys.executable, "--offline"]
    with tempfile.TemporaryDirectory(prefix="lockgen-") as folder:
        environment = {**dict(environ), "UV_PYTHON_DOWNLOADS": "never"}
        done = run(command, cwd=Path(folder), env=environment, timeout=60)
    urls = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("--index-url ")]
    if done.code != 0 or not urls:
        raise ToolFailed("uv does not say which default index it uses", reason=done.last_lines())
    return urls[0]


def interpreter(uv: str, version: str) -> str:
    """The Python that builds source distributions: one of ``version`` if there is one that starts, else lockgen's own.

    What a package requires seldom hangs on the Python that builds it. uv would look for one in each call, and a shim on
    PATH (pyenv's) that only says "command not found" costs it a second each time: so it is told.
    """
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    return _found_python(uv, version, os.environ.get("PATH"))


@cache
def _found_python(uv: str, version: str, path: str | None) -> str:
    command = [uv, "python", "find", version, "--no-project", "--no-config", "--offline", "--quiet"]
    with tempfile.TemporaryDirectory(prefix="lockgen-") as folder:
        done = run(command, cwd=Path(folder), env=clean_environment(os.environ), timeout=60)
    return done.stdout.strip() if done.code == 0 else sys.executable


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
        return uv, _check_version(uv)

    @property
    def version(self) -> str:
        """ "uv 0.13.9"."""
        return self._program[1]

    @cached_property
    def default_index(self) -> str:
        """The address of the default index, credentials included."""
        return default_index()

    def solve(self, request: Request) -> Solution:
        """See ports.Resolver. Solves again only where a routed package was reached without being asked for."""
        with tempfile.TemporaryDirectory(prefix="lockgen-") as folder:
            uv = self._program[0]
            python = interpreter(uv, request.target.python)
            return _Solve(uv, Path(folder), request, self.default_index, self._time_limit, python, self._pages).run()


def _check_version(uv: str) -> str:
    done = run([uv, "--version"], cwd=Path.cwd(), timeout=60)
    told = re.match(r"uv (\d+(?:\.\d+)*)", done.stdout)
    if done.code != 0 or told is None:
        raise ToolFailed("uv does not start", reason=done.last_lines(), hint="reinstall it: pip install -U uv")
    if Version(told[1]) < OLDEST:
        raise ToolFailed(f"uv {told[1]} is too old", hint=f"lockgen needs {OLDEST} or later: pip install -U uv")
    return f"uv {told[1]}"


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
        routed = set(self.request.routes)
        pinned = {canonicalize_name(re.split(r"[=<>!~\[; ]", line)[0]) for line in self.request.constraints}
        # A source routes only what the project itself asks for (uv#8253): so ask for every routed package
        # that may be reached. Nothing unneeded enters an image by this: closures are cut from the images' asks.
        asked = routed & pinned
        environment = self._environment()
        try:
            return self._closed(asked, environment)
        except LockgenError as error:
            # Offline, a page that the index does not have looks like one that was never asked for.
            if not (isinstance(error, NoResolution) or self.request.offline):
                raise
            # Either a pin of a routed package that nobody needs does not fit, or one that is reached without a
            # pin was looked for on the default index: so ask for those, and only those, that it takes.
            found = self._grown(asked, error, environment)
            if found is not None:
                return found
            raise type(error).of([self._explained(fault) for fault in error.faults]) from error

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

    def _closed(self, asked: set[str], environment: dict[str, str]) -> Solution:
        """A solution in which every routed package comes from its index."""
        solution, astray = self._once(asked, environment)
        while astray:
            asked = asked | astray
            solution, astray = self._once(asked, environment)
        return solution

    def _grown(self, tried: set[str], refusal: LockgenError, environment: dict[str, str]) -> Solution | None:
        """A solution that asks only for the routed packages that uv's refusals name, from none on.

        ``refusal`` is what uv said of asking for ``tried``. What the family itself asks for is always asked for.
        """
        asks = map(Requirement, self.request.requirements)
        own = {str(canonicalize_name(ask.name)) for ask in asks if self.request.target.holds(ask.marker)}
        asked: set[str] = set()
        while True:
            error = refusal
            if asked - own != tried - own:
                try:
                    return self._closed(asked, environment)
                except LockgenError as again:
                    error = again
            named = {name for name in self.request.routes if _names(error, name)} - asked
            if not named:
                return None
            asked |= named

    @cached_property
    def folders(self) -> dict[str, Path]:
        """Where the pages of each index are."""
        return {
            name: self.pages.folder(self.request.indexes[name]) for name in sorted(set(self.request.routes.values()))
        }

    def _environment(self) -> dict[str, str]:
        return clean_environment(os.environ)

    def _once(self, asked: set[str], environment: dict[str, str]) -> tuple[Solution, set[str]]:
        """A solution, and the routed packages in it that did not come from their index."""
        self._write(asked)
        done = run(self._command(), cwd=self.folder, env=environment, timeout=self.time_limit)
        if done.code != 0:
            raise _failure(done, self.request)
        found = _read_pylock(self.folder / "pylock.toml", self.request, self.folders)
        astray = {name for name, index in self.request.routes.items() if name in found and found[name].index != index}
        if stuck := astray & asked:
            raise ToolFailed(
                f"uv took {', '.join(sorted(stuck))} from the default index",
                hint="this is a bug of lockgen or of this uv; nothing was written",
            )
        return Solution(found), astray

    def _command(self) -> list[str]:
        target = self.request.target
        command = [self.uv, "pip", "compile", "pyproject.toml", "-o", "pylock.toml", "--quiet"]
        command += ["--config-file", "uv.toml", "--preview-features", "index-exclude-newer,pylock"]
        command += ["--python-version", target.python, "--python-platform", target.uv_platform]
        command += ["--python", self.python, "--only-binary", ":all:"]
        for name in sorted(self.request.build):
            command += ["--no-binary", name]
        return command + (["--offline"] if self.request.offline else [])

    def _write(self, asked: set[str]) -> None:
        request = self.request
        requirements = sorted({*request.requirements, *(name for name in asked)})
        folders = self.folders
        tables = [f"[[tool.uv.index]]\n{_index_table(folders[name], name)}" for name in folders]
        sources = [f"{quoted(name)} = {{ index = {quoted(index)} }}" for name, index in sorted(request.routes.items())]
        (self.folder / "pyproject.toml").write_text(
            f'[project]\nname = "{_PROJECT}"\nversion = "0"\nrequires-python = "=={request.target.python}.*"\n'
            f"dependencies = {array(requirements)}\n"
            "[tool.uv.sources]\n" + "\n".join(sources) + "\n" + "\n".join(tables)
        )
        configuration = _configuration(request, folders, self.pages) + _default_table(self.index)
        (self.folder / "uv.toml").write_text(configuration)
        _write_preferences(self.folder / "pylock.toml", request)


def _names(error: LockgenError, name: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", error.faults[0].reason or "") is not None


def _index_table(folder: Path, name: str) -> str:
    # A recorded index has no upload times, and a cut-off hides what has none.
    return f"name = {quoted(name)}\nurl = {quoted(folder.as_uri())}\nexplicit = true\nexclude-newer = false\n"


def _default_table(url: str) -> str:
    # A file never changes under its name: PyPI says so of each, and many a mirror forgets to. Then uv would ask for the
    # METADATA of every package once more in each run: twenty times its own work.
    return f'[[index]]\nurl = {quoted(url)}\ndefault = true\ncache-control = {{ files = "{_FOR_GOOD}" }}\n'


def _configuration(request: Request, folders: Mapping[str, Path], pages: Pages) -> str:
    parts = [f"constraint-dependencies = {array(request.constraints)}\n"]
    if request.exclude_newer is not None:
        parts.append(f"exclude-newer = {quoted(request.exclude_newer.isoformat())}\n")
    if request.overrides:
        scoped = [
            f"{{ package = {{ name = {quoted(name)} }}, dependencies = {array(needs)} }}"
            for name, needs in sorted(request.overrides.items())
        ]
        parts.append(f"override-dependencies = [{', '.join(scoped)}]\n")
    parts += [f"[[index]]\n{_index_table(folder, name)}" for name, folder in folders.items()]
    parts += [pages.metadata(request.indexes[name], request.target) for name in folders]
    return "".join(parts)


def _write_preferences(path: Path, request: Request) -> None:
    path.unlink(missing_ok=True)
    if request.preferences:
        lines = ['lock-version = "1.0"', 'created-by = "lockgen"']
        for name, version in sorted(request.preferences.items()):
            lines += ["[[packages]]", f"name = {quoted(name)}", f"version = {quoted(version)}"]
        path.write_text("\n".join(lines) + "\n")


def _read_pylock(path: Path, request: Request, folders: Mapping[str, Path]) -> dict[str, Resolved]:
    document = tomli.loads(path.read_text(encoding="utf-8"))
    addresses = {index: folder.as_uri() + "/" for index, folder in folders.items()}
    found: dict[str, Resolved] = {}
    for entry in document.get("packages", []):
        name = canonicalize_name(entry["name"])
        listed = [*entry.get("wheels", []), *([entry["sdist"]] if "sdist" in entry else [])]
        urls = [str(item.get("url") or Path(str(item["path"])).as_uri()) for item in listed]
        index = next((i for i, address in addresses.items() if any(url.startswith(address) for url in urls)), None)
        original = {file.name: file for file in request.indexes[index].pages[name].files} if index is not None else {}
        # A package has wheels for many machines: only those that run on the target become files.
        names = [(item, url, str(item.get("name") or _name_in(url))) for item, url in zip(listed, urls, strict=True)]
        files = [
            original.get(file) or _file(item, url, file)
            for item, url, file in names
            if not file.endswith(".whl") or wheel_rank(file, request.target) is not None
        ]
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
