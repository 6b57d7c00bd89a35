"""Failures of pip-compile as errors of lockgen: its traceback never reaches the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from packaging.utils import canonicalize_name

from lockgen.core.parsing import parse_requirement
from lockgen.core.resolution import Request
from lockgen.errors import FlatIndex, LockgenError, NoResolution, ToolFailed
from lockgen.io.process import Finished
from lockgen.resolvers.pip_messages import (
    Cause,
    causes,
    discarded_pins,
    is_no_solution,
    is_too_complex,
    notes,
    python_bounds,
    raised_exception,
    readable_part,
    unmatched_packages,
)
from lockgen.resolvers.routing_index import RoutingIndex

_TOOLS = ("ImportError", "ModuleNotFoundError", "AttributeError", "TypeError")
"""What Python raises if pip-tools uses an interface that this pip does not have."""


def preferences_in_conflict(done: Finished, kept: Mapping[str, str]) -> set[str]:
    """The names in ``kept`` without which pip-compile may find a solution; empty if none may help."""
    text = done.stderr
    if done.code == 0 or not (is_no_solution(text) or is_too_complex(text)):
        return set()
    found = causes(text)
    names = {canonicalize_name(parse_requirement(cause.requirement).name) for cause in found}
    # pip-compile has already dropped some of them, before it failed.
    named = (names | discarded_pins(text)) & kept.keys()
    if named:
        return named
    # Preferences of packages whose requirements are in conflict. If pip names none, each may be the cause.
    parents = {cause.parent.partition(" ")[0] for cause in found} & kept.keys()
    return parents or set(kept)


def pip_failure(done: Finished, index: RoutingIndex, request: Request) -> LockgenError:
    """The error for a run of pip-compile that failed."""
    text = done.stderr.strip()
    # First of all: pip takes an unreadable page for an empty one, and reports a missing solution.
    failures = index.failures or (index.forbidden if index.refuses_all else {})
    if failures:
        errors = list(failures.values())
        flat = next((error for error in errors if isinstance(error, FlatIndex)), None)
        if flat is not None:
            return flat
        return ToolFailed.of(fault for error in errors for fault in error.faults)
    if "No space left" in text:
        return ToolFailed("the disk is full", reason=done.last_lines(), hint="free some space. No files were changed.")
    if index.unreadable:
        return _unreadable(list(index.unreadable.values()))
    if is_no_solution(text):
        reason = "\n".join([_unsolved(text, index, request), *_left_out(index)])
        return NoResolution("no solution", reason=reason, hint=_hint_about_files(text, index))
    if is_too_complex(text):
        return ToolFailed(
            "pip-compile gave up: there are too many combinations of versions",
            hint="pin more packages, or use --resolver uv, which finds a solution in fewer steps",
        )
    return _stopped(done)


def _unreadable(errors: list[LockgenError]) -> LockgenError:
    """One error for all files whose metadata could not be read."""
    kind = NoResolution if all(isinstance(error, NoResolution) for error in errors) else ToolFailed
    faults = [fault for error in errors for fault in error.faults]
    hint = "retry; if the index stays like this, pin another version"
    return kind.of(replace(fault, hint=fault.hint or hint) for fault in faults)


def _stopped(done: Finished) -> ToolFailed:
    """The error for a failure that says nothing about versions."""
    raised = raised_exception(done.stderr)
    reason = readable_part(done.stderr)
    hint = "use --resolver uv"
    if raised is not None:
        reason = "\n".join(part for part in (reason, f"{raised.name}: {raised.message}") if part)
    if "No module named" in done.stderr or (raised is not None and raised.name in _TOOLS):
        hint = f"pip and pip-tools may not fit each other: pip install -U pip pip-tools; or {hint}"
    if done.code < 0:
        return ToolFailed(f"pip-compile was ended by signal {-done.code}", reason=reason or None, hint=hint)
    return ToolFailed(f"pip-compile stopped with exit code {done.code}", reason=reason or None, hint=hint)


def _unsolved(text: str, index: RoutingIndex, request: Request) -> str:
    """The requirements without a solution, one on each line, and what else pip says about versions."""
    found = causes(text)
    lines = [f"{cause.parent} requires {cause.requirement}" for cause in found]
    lines += [
        f"{cause.parent} requires {cause.requirement}, but the target has {request.target.release}"
        for cause in python_bounds(text)
    ]
    if not lines:
        return readable_part(text)
    lines = list(dict.fromkeys([*lines, *_pins(found, index, request)]))
    if len(lines) > 1:
        return "\n".join(["these requirements conflict:", *lines])
    return "\n".join(["no version satisfies this requirement:", *lines, *notes(text)])


def _pins(found: list[Cause], index: RoutingIndex, request: Request) -> Iterator[str]:
    """The pins that take part. pip leaves them out."""
    names = {canonicalize_name(parse_requirement(cause.requirement).name) for cause in found}
    for pin in map(parse_requirement, request.constraints):
        if canonicalize_name(pin.name) in names:
            missing = "" if index.offers(pin) else ", but no file of it runs on the target"
            yield f"the family pins {pin}{missing}"


def _left_out(index: RoutingIndex) -> list[str]:
    return [
        f"{release} is left out: its metadata is invalid, it requires `{line}`"
        for release, line in sorted(index.broken.items())
    ]


def _hint_about_files(text: str, index: RoutingIndex) -> str | None:
    build_hint = _build_hint(text, index)
    if build_hint is not None or not index.broken:
        return build_hint
    name = min(index.broken).partition(" ")[0]
    return f"choose another version of {name}, or list your own build of it on an index: [index.NAME]"


def _build_hint(text: str, index: RoutingIndex) -> str | None:
    names = sorted(unmatched_packages(text) & index.only_sources)
    if not names:
        return None
    listed = ", ".join(f'"{name}"' for name in names)
    return f"no wheel of {', '.join(names)} runs on the target; to build it from source: [family] build = [{listed}]"
