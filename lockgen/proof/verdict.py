"""What the supervisor reported, as a result: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lockgen.core.documents import parse_json
from lockgen.core.text_table import megabytes
from lockgen.proof.messages import normalized, recognized
from lockgen.proof.model import Checks, Duration, ImageRun, LazyModule, Line, Problem
from lockgen.proof.native_libraries import is_of_driver

_MISSING_LIBRARY = re.compile(r"(\S+\.so[\d.]*): cannot open shared object file")
# What torch, ctranslate2, onnxruntime and numba say where there is no GPU or no driver.
_NO_GPU = re.compile(
    r"Found no NVIDIA driver|No CUDA GPUs are available|CUDA driver version is insufficient|no CUDA-capable device"
    r"|CUDA_ERROR_NO_DEVICE|libcuda\.so(?:\.1)?[: ]",
    re.IGNORECASE,
)
_GPU_IS_MISSING = "needs a GPU, which is not there"
_OUTPUT_LINES = 12


class NotReported(Exception):
    """The supervisor's answer is missing or damaged: an import may have ended it."""


@dataclass(frozen=True)
class StepResult:
    """One step of the supervisor. ``stopped`` is the limit that ended it, "" for none."""

    code: int
    stopped: str
    seconds: float
    memory: int
    stdout: str
    stderr: str
    events: str


@dataclass(frozen=True)
class Report:
    """What the supervisor says. ``has_gpu`` is whether the checks could see one."""

    steps: tuple[StepResult, ...]
    has_gpu: bool


def parse_report(text: str) -> Report:
    """The supervisor's report.

    Raises:
        NotReported: it has another shape.
    """
    try:
        document: Any = parse_json(text)
        if document["format"] != 1:
            raise NotReported("it has another format")
        return Report(tuple(map(_step, document["steps"])), bool(document["gpu"]))
    except (ValueError, KeyError, TypeError) as error:
        raise NotReported(str(error)) from error


def _step(step: Mapping[str, Any]) -> StepResult:
    return StepResult(
        int(step["code"]),
        str(step["stopped"]),
        float(step["seconds"]),
        int(step["memory"]),
        str(step["stdout"]),
        str(step["stderr"]),
        str(step["events"]),
    )


def image_run(checks: Checks, report: Report, *, in_image: bool) -> ImageRun:
    """The result of the steps of ``report``: the imports, then each test.

    With ``in_image`` they ran in the image itself, so that a library that is missing there is a problem.
    """
    imports = report.steps[0]
    found = _Imports(checks, imports, has_gpu=report.has_gpu, in_image=in_image).result()
    tests = _named_tests(checks, report)
    found = _with_failures(found, list(_test_failures(checks, tests, has_gpu=report.has_gpu)))
    durations = [Duration(name, step.seconds, step.memory) for name, step in tests]
    memory = max(step.memory for step in report.steps)
    return replace(found, tests=tuple(durations), memory=memory)


def _named_tests(checks: Checks, report: Report) -> list[tuple[str, StepResult]]:
    names = [" ".join(command) for command in checks.tests]
    return list(zip(names, report.steps[1:], strict=True))


def _with_failures(found: ImageRun, failures: Sequence[Problem | str]) -> ImageRun:
    problems = (*found.problems, *(failure for failure in failures if isinstance(failure, Problem)))
    if problems:
        return replace(found, status="no", reason="", problems=problems)
    reasons = [found.reason, *(failure for failure in failures if isinstance(failure, str))]
    reason = next(filter(None, reasons), "")
    return replace(found, status="unknown" if reason else "yes", reason=reason)


def _test_failures(
    checks: Checks, tests: Sequence[tuple[str, StepResult]], *, has_gpu: bool
) -> Iterator[Problem | str]:
    """The problem of each test that failed; a text if it is unknown whether the test would pass elsewhere."""
    for name, step in tests:
        problem = _test_problem(name, step, checks)
        if problem is not None:
            yield problem if has_gpu or not _needs_gpu(step) else f"`{name}` {_GPU_IS_MISSING}"


def _needs_gpu(step: StepResult) -> bool:
    return _NO_GPU.search(step.stdout + step.stderr) is not None


def _test_problem(name: str, step: StepResult, checks: Checks) -> Problem | None:
    if step.stopped:
        return Problem("limit", name, _exceeded(step, checks))
    if step.code == 0:
        return None
    output = (step.stdout.strip() + "\n" + step.stderr.strip()).strip()
    lines = [normalized(line) for line in output.splitlines() if line.strip()]
    return Problem("test", name, f"it ended with {ending(step.code)}", output="\n".join(lines[-_OUTPUT_LINES:]))


def _exceeded(step: StepResult, checks: Checks) -> str:
    limits = checks.limits
    match step.stopped:
        case "time":
            return f"it did not end within {limits.seconds} s"
        case "memory":
            return f"it used more than {megabytes(limits.memory)} of memory"
        case "kernel":
            return "the kernel ended it, as memory ran out"
    return "it wrote too much output"


def ending(code: int) -> str:
    """How a process ended, for a sentence."""
    # A signal is a negative code.
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class _Imports:
    """Reads the events of the importer."""

    def __init__(self, checks: Checks, step: StepResult, *, has_gpu: bool, in_image: bool) -> None:
        self.checks, self.step = checks, step
        self.has_gpu, self.in_image = has_gpu, in_image
        self.problems: list[Problem] = []
        self.unknown = ""
        self.lines: list[Line] = []
        self.deprecations = 0
        self.durations: list[Duration] = []
        self.begun = ""
        self.lazy: list[LazyModule] = []

    def result(self) -> ImageRun:
        is_done = False
        for event in _events(self.step.events):
            match event:
                case {"event": "begin", "name": str(name)}:
                    self.begun = name
                case {"event": "end", "name": str(name)}:
                    self._end(name, event)
                case {"event": "done"}:
                    is_done = True
                case {"event": "lazy", "module": str(module), "error": None}:
                    self.lazy.append(LazyModule(module))
                case {"event": "lazy", "module": str(module), "error": {"text": str(text), **more}} if text:
                    self._lazy_error(module, f"{more.get('type')}: {text}", str(more.get("by")))
        if not is_done:
            self.problems.append(self._ended())
        problems = tuple(dict.fromkeys(self.problems))
        return ImageRun(
            "no" if problems else "yes",
            "" if problems else self.unknown,
            problems=problems,
            lines=tuple(dict.fromkeys(self.lines)),
            deprecations=self.deprecations,
            imports=tuple(self.durations),
            memory=self.step.memory,
            lazy=tuple(self.lazy),
        )

    def _lazy_error(self, module: str, text: str, by: str) -> None:
        text = normalized(text)
        if not self._missing(text):
            self.lazy.append(LazyModule(module, by or module.partition(".")[0], text))

    def _ended(self) -> Problem:
        by = self.begun or "the packages"
        if self.step.stopped:
            return Problem("limit", by, f"importing {by}: {_exceeded(self.step, self.checks)}")
        return Problem("import", by, f"importing {by} ended the process with {ending(self.step.code)}")

    def _end(self, name: str, event: Mapping[str, Any]) -> None:
        self.durations.append(Duration(name, _number(event.get("seconds"))))
        self.deprecations += int(_number(event.get("deprecations")))
        for line in event.get("lines") or ():
            self._line(line)
        error = event.get("error")
        if isinstance(error, dict):
            self._error(name, {key: str(value) for key, value in error.items()})

    def _line(self, line: object) -> None:
        match line:
            case {"by": str(by), "kind": "stderr" | "warning" | "native" as kind, "text": str(text), **more}:
                self._known_line(Line(by, kind, normalized(text)), str(more.get("user", by)))

    def _known_line(self, line: Line, user: str) -> None:
        """Add ``line``. ``user`` is the distribution that used the writer: the message may be about it."""
        if not line.text:
            return
        self.lines.append(line)
        known = recognized(line.text, line.by, user)
        if known is not None:
            self.problems.append(Problem("message", known.by or line.by, known.text, known.bound, output=line.text))

    def _error(self, name: str, error: Mapping[str, str]) -> None:
        text = normalized(f"{error.get('type')}: {error.get('text')}")
        cause = normalized(error.get("cause", ""))
        missing = self._missing(f"{text} {cause}")
        if missing:
            self.unknown = self.unknown or f"{name} {missing}"
            return
        by = error.get("by") or name
        known = recognized(text, by) or recognized(cause, by)
        module = error.get("module", name)
        shown = f"{module} cannot be imported: {text}" + (f" ({cause})" if cause and cause not in text else "")
        self.problems.append(Problem("import", by, shown, known.bound if known is not None else None))

    def _missing(self, text: str) -> str:
        """What the place of the checks lacks, and the image may have; "" for nothing."""
        library = _MISSING_LIBRARY.search(text)
        needs_gpu = _NO_GPU.search(text) or (library is not None and is_of_driver(library[1]))
        if needs_gpu and not self.has_gpu:
            return _GPU_IS_MISSING
        if library is not None and not self.in_image:
            return f"needs {library[1]}, which this machine does not have"
        return ""


def _events(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        try:
            event = parse_json(line)
        except ValueError:
            # The last line may be cut off.
            continue
        if isinstance(event, dict):
            yield event


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
