"""Values of a run of an image's packages: what is checked, what was found, and what that means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from packaging.version import Version

from lockgen.core.manifest import CheckLimits
from lockgen.core.parsing import parse_version

RunStatus = Literal["yes", "no", "unknown"]
ProblemKind = Literal["install", "import", "message", "test", "limit"]
LineKind = Literal["stderr", "warning", "native"]


@dataclass(frozen=True, slots=True)
class ImportCheck:
    """Import ``modules``; None stands for the top-level modules of the distribution ``name``."""

    name: str
    modules: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Checks:
    """What an image is checked with. ``tests`` are argument lists."""

    imports: tuple[ImportCheck, ...]
    tests: tuple[tuple[str, ...], ...] = ()
    limits: CheckLimits = field(default_factory=CheckLimits)


class Line(NamedTuple):
    """A line that code wrote while it was imported, normalized. ``by`` is the distribution that wrote it."""

    by: str
    kind: LineKind
    text: str


class Bound(NamedTuple):
    """What a message asks for: ``by`` works only with versions ``specifier`` of ``package``; "" where it says none."""

    by: str
    package: str
    specifier: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an image does not run. ``by`` is the distribution or the test, ``text`` one normalized line.

    ``bound`` is what the text asks for, if it says so. ``output`` are the last lines of a test.
    """

    kind: ProblemKind
    by: str
    text: str
    bound: Bound | None = None
    output: str = ""

    @property
    def title(self) -> str:
        """``text``, with the distribution or the test that it is about."""
        return self.text if self.by in self.text else f"{self.by}: {self.text}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Two runs with the same key have the same problem."""
        return self.kind, self.by, self.text


@dataclass(frozen=True, slots=True)
class Duration:
    """What a step took: ``name`` is a distribution or a test; wall seconds, and peak bytes (0: unknown)."""

    name: str
    seconds: float
    memory: int = 0


class LazyModule(NamedTuple):
    """A module that its package loads on first use. ``error`` is why it cannot be imported, "" if it can.

    ``by`` is the distribution with the error.
    """

    name: str
    by: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class ImageRun:
    """The result for one image.

    ``reason`` says why the status is "unknown". ``where`` says where the checks ran; ``isolated``, whether they had no
    network and no access to other files. ``native`` are warnings about libraries that nothing provides. ``lazy`` are
    modules that no check asks for. One that fails is no problem of the image, but one of a change that makes it fail.
    """

    status: RunStatus
    reason: str = ""
    where: str = ""
    isolated: bool = False
    problems: tuple[Problem, ...] = ()
    lines: tuple[Line, ...] = ()
    deprecations: int = 0
    native: tuple[str, ...] = ()
    imports: tuple[Duration, ...] = ()
    tests: tuple[Duration, ...] = ()
    memory: int = 0
    lazy: tuple[LazyModule, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether another run of the same files would have the same result.

        "unknown" is about this machine, a limit of time about how busy it was, and an installation about the index.
        """
        return self.status != "unknown" and all(problem.kind not in {"limit", "install"} for problem in self.problems)

    @property
    def import_seconds(self) -> float:
        return sum(item.seconds for item in self.imports)

    @property
    def seconds(self) -> float:
        return sum(item.seconds for item in (*self.imports, *self.tests))


@dataclass(frozen=True, slots=True, order=True)
class Binary:
    """A shared object that a package installed.

    ``owner`` is the package and its version, ``file`` the base name, ``soname`` the DT_SONAME ("" for none), ``needed``
    the DT_NEEDED entries. ``opened`` are CUDA libraries that it loads by name at run time.
    """

    owner: str
    file: str
    soname: str = ""
    needed: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunChange:
    """What a change does to one image. ``before`` is None if the image was not run before, or is new."""

    image: str
    before: ImageRun | None
    after: ImageRun

    @property
    def new_problems(self) -> tuple[Problem, ...]:
        """Problems that the run before did not have. Those that it had are not the fault of the change."""
        known = {problem.key for problem in self.before.problems} if self.before is not None else set()
        own = [problem for problem in self.after.problems if problem.key not in known]
        return (*own, *self._lazy_problems())

    def _lazy_problems(self) -> Iterator[Problem]:
        """The modules that could be imported before, on their first use, and cannot be any more."""
        before = self.before.lazy if self.before is not None else ()
        worked = {module.name for module in before if not module.error}
        for module in self.after.lazy:
            if module.error and module.name in worked:
                yield Problem("import", module.by, f"{module.name} cannot be imported any more: {module.error}")

    @property
    def solved_problems(self) -> tuple[Problem, ...]:
        left = {problem.key for problem in self.after.problems}
        before = self.before.problems if self.before is not None else ()
        return tuple(problem for problem in before if problem.key not in left)

    @property
    def new_lines(self) -> tuple[Line, ...]:
        """Lines that were not written before; empty without a run before, as nothing is known then."""
        if self.before is None or self.before.status == "unknown":
            return ()
        known = set(self.before.lines)
        return tuple(line for line in self.after.lines if line not in known)

    @property
    def gone_lines(self) -> tuple[Line, ...]:
        if self.before is None or self.after.status == "unknown":
            return ()
        left = set(self.after.lines)
        return tuple(line for line in self.before.lines if line not in left)

    @property
    def new_native(self) -> tuple[str, ...]:
        """Needs for shared libraries that became unsatisfied."""
        known = set(self.before.native) if self.before is not None else set()
        return tuple(warning for warning in self.after.native if warning not in known)

    @property
    def fails(self) -> bool:
        """Whether the change breaks the image."""
        return bool(self.new_problems)


@dataclass(frozen=True, slots=True)
class BoundConditions:
    """What a bound depends on: the ``versions`` of other packages, by name; and, if a message says so, a requirement.

    With a version that meets ``requirement`` the problem is solved.
    """

    versions: tuple[tuple[str, str], ...] = ()
    requirement: Bound | None = None


@dataclass(frozen=True, slots=True)
class ProofBound:
    """A version of a package with which an image does not run, although it resolves.

    ``passed`` is the newest version with which all images run, None if there is none; ``failed`` the oldest one that
    was tried and failed. ``image`` and ``reason`` say what failed, ``kind`` and ``by`` are those of the problem.
    ``refused`` are all versions with which images were run, and failed; ``before`` is the version before the change.
    """

    package: str
    passed: str | None
    failed: str
    image: str
    reason: str
    kind: ProblemKind = "import"
    by: str = ""
    refused: tuple[str, ...] = ()
    conditions: BoundConditions = BoundConditions()
    before: str = ""

    @property
    def newest(self) -> str | None:
        """The newest version that runs: the one before the change if no newer one does; None if there was none."""
        return self.passed or self.before or None

    def covers(self, version: Version) -> bool:
        """Whether images do not run with ``version``: it is assumed that all versions after one that fails fail."""
        return parse_version(version.public) >= parse_version(self.failed)


@dataclass(frozen=True, slots=True)
class KnownBound:
    """A bound that an earlier run on this machine found, on the day ``found`` (ISO 8601).

    ``modules`` are the `check-imports` of the image at that time.
    """

    bound: ProofBound
    found: str
    modules: tuple[str, ...] = ()
