"""The result of a run, and what a change does to it, as JSON, and back: for `--json`, and for the cache."""

from __future__ import annotations

from typing import Any

from lockgen.proof.model import (
    Bound,
    BoundConditions,
    Duration,
    ImageRun,
    LazyModule,
    Line,
    Problem,
    ProofBound,
    RunChange,
)


def as_document(run: ImageRun) -> dict[str, Any]:
    """``run`` as data. Sizes are in bytes, times in seconds."""
    return {
        "status": run.status,
        "reason": run.reason,
        "where": run.where,
        "isolated": run.isolated,
        "problems": [_problem(problem) for problem in run.problems],
        "lines": [_line(line) for line in run.lines],
        "deprecations": run.deprecations,
        "native": list(run.native),
        "imports": [_duration(duration) for duration in run.imports],
        "tests": [_duration(duration) for duration in run.tests],
        "memory": run.memory,
        "lazy": [module._asdict() for module in run.lazy],
    }


def change_document(change: RunChange) -> dict[str, Any]:
    """``change`` as data. ``before`` is null if the image is new, or was not run before."""
    before = change.before
    return {
        "image": change.image,
        "fails": change.fails,
        "before": _measured(before) if before is not None else None,
        "after": _measured(change.after),
        "new-problems": [_problem(problem) for problem in change.new_problems],
        "solved-problems": [_problem(problem) for problem in change.solved_problems],
        "new-lines": [_line(line) for line in change.new_lines],
        "gone-lines": [_line(line) for line in change.gone_lines],
        "new-native": list(change.new_native),
    }


def bound_document(bound: ProofBound) -> dict[str, Any]:
    """``bound`` as data. ``newest-that-runs`` is null if no newer version than the current one runs."""
    required = bound.conditions.requirement
    return {
        "package": bound.package,
        "does-not-run": bound.failed,
        "newest-that-runs": bound.passed,
        "before": bound.before,
        "tried": list(bound.refused),
        "image": bound.image,
        "kind": bound.kind,
        "by": bound.by,
        "reason": bound.reason,
        "versions": dict(bound.conditions.versions),
        "requires": required._asdict() if required is not None else None,
    }


def bound_from_document(entry: Any) -> ProofBound:
    """The bound in a document.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it has another shape.
    """
    required = entry["requires"]
    versions = {str(name): str(version) for name, version in entry["versions"].items()}
    passed = entry["newest-that-runs"]
    return ProofBound(
        package=str(entry["package"]),
        passed=str(passed) if passed is not None else None,
        failed=str(entry["does-not-run"]),
        image=str(entry["image"]),
        reason=str(entry["reason"]),
        kind=entry["kind"],
        by=str(entry["by"]),
        refused=tuple(map(str, entry["tried"])),
        before=str(entry["before"]),
        conditions=BoundConditions(tuple(sorted(versions.items())), _parsed_bound(required)),
    )


def _parsed_bound(entry: Any) -> Bound | None:
    if entry is None:
        return None
    return Bound(str(entry["by"]), str(entry["package"]), str(entry["specifier"]))


def _measured(run: ImageRun) -> dict[str, Any]:
    return {**as_document(run), "import-seconds": run.import_seconds, "seconds": run.seconds}


def _line(line: Line) -> dict[str, Any]:
    return {"by": line.by, "kind": line.kind, "text": line.text}


def _problem(problem: Problem) -> dict[str, Any]:
    bound = problem.bound
    return {
        "kind": problem.kind,
        "by": problem.by,
        "text": problem.text,
        "bound": {"package": bound.package, "specifier": bound.specifier} if bound is not None else None,
        "output": problem.output,
    }


def _duration(duration: Duration) -> dict[str, Any]:
    return {"name": duration.name, "seconds": duration.seconds, "memory": duration.memory}


def from_document(document: Any) -> ImageRun:
    """The run in ``document``.

    Raises:
        KeyError, TypeError, ValueError: it has another shape.
    """
    return ImageRun(
        status=document["status"],
        reason=str(document["reason"]),
        where=str(document["where"]),
        isolated=bool(document["isolated"]),
        problems=tuple(_parsed_problem(entry) for entry in document["problems"]),
        lines=tuple(Line(str(entry["by"]), entry["kind"], str(entry["text"])) for entry in document["lines"]),
        deprecations=int(document["deprecations"]),
        native=tuple(map(str, document["native"])),
        imports=tuple(_parsed_duration(entry) for entry in document["imports"]),
        tests=tuple(_parsed_duration(entry) for entry in document["tests"]),
        memory=int(document["memory"]),
        lazy=tuple(LazyModule(str(e["name"]), str(e["by"]), str(e["error"])) for e in document["lazy"]),
    )


def _parsed_problem(entry: Any) -> Problem:
    bound = entry["bound"]
    by = str(entry["by"])
    asked = Bound(by, str(bound["package"]), str(bound["specifier"])) if bound is not None else None
    return Problem(entry["kind"], by, str(entry["text"]), asked, str(entry["output"]))


def _parsed_duration(entry: Any) -> Duration:
    return Duration(str(entry["name"]), float(entry["seconds"]), int(entry["memory"]))
