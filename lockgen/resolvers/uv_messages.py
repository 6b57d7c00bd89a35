"""What uv's messages mean: no solution, or a failure that says nothing about a solution.

The difference matters: only "no solution" is an answer. Taking a failed build or a failed request for one would report
conflicts that do not exist.
"""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name

from lockgen.core.resolution import Request
from lockgen.errors import LockgenError, NoResolution, ToolFailed

PROJECT = "lockgen-family"
"""The name of the project that uv resolves. Messages to the user call it the family."""

_WHEEL_NEEDED = re.compile(r"Wheels are required for `([^`]+)`|([\w.-]+?)(?:[=<>!~]+\S+)? has no usable wheels")
# Offline, uv reports this about a package with an extra or a marker if it never fetched the page.
_NOT_FETCHED = re.compile(r"there (?:is no version|are no versions) of [\w.-]+[\[{]")
_OFFLINE = re.compile(r"network was disabled|not found in the cache")
_BUILD_FAILED = re.compile(r"Failed to build|build backend|build-system\.requires")
_REQUEST_FAILED = re.compile(r"Request failed|Failed to fetch|error sending request")


def uv_failure(stderr: str, code: int, request: Request) -> LockgenError:
    """The error for a run of uv that ended with the exit code ``code``, not 0."""
    text = stderr.strip().replace(PROJECT, "the family")
    text = re.sub(r"^error: ", "", text)
    if _OFFLINE.search(text) or (request.offline and _NOT_FETCHED.search(_on_one_line(text))):
        return ToolFailed(
            "the cache lacks files that this resolution needs", reason=text, hint="retry without --offline"
        )
    # Only at the start: further down, it may be about the requirements of a build, which is not a conflict of ours.
    if re.match(r"\W*No solution found", text):
        return _no_solution(text, request)
    if _BUILD_FAILED.search(text):
        return ToolFailed(
            _sentence(text.splitlines()[0]),
            reason=text,
            hint="install what it needs to build, or pin a version that has a wheel",
        )
    if _REQUEST_FAILED.search(text):
        return ToolFailed(
            "the index could not be read", reason=text, hint="retry, or use --offline to resolve from the cache"
        )
    if "No space left" in text:
        return ToolFailed("the disk is full", reason=text, hint="free some space. No files were changed.")
    return ToolFailed(f"uv stopped with exit code {code}", reason=text or None)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence(line: str) -> str:
    """``line`` as a message of lockgen, which starts in lower case."""
    return f"{line[:1].lower()}{line[1:]}"


def _no_solution(text: str, request: Request) -> NoResolution:
    # The first line is only "No solution found".
    reason = text.split("\n", 1)[-1]
    # uv's hint names options of uv. The hint below names those of lockgen.
    reason = re.sub(r"\n*hint: Wheels are required.*", "", reason)
    reason = re.sub(r"^\s*cause: ", "", reason)
    lines = [line.strip() for line in reason.strip().splitlines()]
    return NoResolution("no solution", reason="\n".join(lines), hint=_build_hint(text, request))


def _build_hint(text: str, request: Request) -> str | None:
    found = {canonicalize_name(quoted or bare) for quoted, bare in _WHEEL_NEEDED.findall(text)}
    names = sorted(found - request.build)
    if not names:
        return None
    listed = ", ".join(f'"{name}"' for name in names)
    return (
        f"no wheel of {', '.join(names)} runs on the target: choose another version, or build it from source with"
        f" [family] build = [{listed}]"
    )
