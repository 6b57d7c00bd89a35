"""Failures of pip-compile as errors of lockgen: its traceback never reaches the user."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import canonicalize_name

from lockgen.core.parsing import parse_requirement
from lockgen.core.resolution import Request
from lockgen.errors import LockgenError, NoResolution, ToolFailed
from lockgen.io.process import Finished
from lockgen.resolvers.pip_messages import (
    causes,
    discarded_pins,
    is_no_solution,
    is_too_complex,
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
        errors = failures.values()
        return ToolFailed.of(fault for error in errors for fault in error.faults)
    if "No space left" in text:
        return ToolFailed("the disk is full", reason=done.last_lines(), hint="free some space. No files were changed.")
    if index.unreadable:
        unreadable = list(index.unreadable.values())
        kind = NoResolution if all(isinstance(error, NoResolution) for error in unreadable) else ToolFailed
        return kind.of(fault for error in unreadable for fault in error.faults)
    if is_no_solution(text):
        reason = _conflict(text, index, request) or readable_part(text)
        reason = "\n".join([reason, *_left_out(index)])
        return NoResolution("no solution", reason=reason, hint=_hint_about_files(text, index))
    if is_too_complex(text):
        return ToolFailed(
            "pip-compile gave up: there are too many combinations of versions",
            hint="pin more packages, or use --resolver uv, which finds a solution in fewer steps",
        )
    return _stopped(done)


def _stopped(done: Finished) -> ToolFailed:
    """The error for a failure that says nothing about versions."""
    raised = raised_exception(done.stderr)
    reason = readable_part(done.stderr)
    hint = "use --resolver uv"
    if raised is not None:
        reason = "\n".join(part for part in (reason, f"{raised.name}: {raised.message}") if part)
        if raised.name in _TOOLS:
            hint = f"pip and pip-tools may not fit each other: pip install -U pip pip-tools; or {hint}"
    if done.code < 0:
        return ToolFailed(f"pip-compile was ended by signal {-done.code}", reason=reason or None, hint=hint)
    return ToolFailed(f"pip-compile stopped with exit code {done.code}", reason=reason or None, hint=hint)


def _conflict(text: str, index: RoutingIndex, request: Request) -> str:
    """The requirements that conflict, one on each line; "" if pip does not name them."""
    lines: list[str] = []
    names: set[str] = set()
    for cause in causes(text):
        lines.append(f"{cause.parent} needs {cause.requirement}")
        names.add(canonicalize_name(parse_requirement(cause.requirement).name))
    if not lines:
        return ""
    # pip leaves out the pins that take part.
    for pin in map(parse_requirement, request.constraints):
        if canonicalize_name(pin.name) in names:
            missing = "" if index.offers(pin) else ", but no file of it runs on the target"
            lines.append(f"the family pins {pin}{missing}")
    unique = dict.fromkeys(lines)
    return "\n".join(["these requirements conflict:", *unique])


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
