"""What uv's messages mean: no solution, or a failure that says nothing about a solution.

The difference matters: only "no solution" is an answer. Taking a failed build or a failed request for one would report
conflicts that do not exist.
"""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name

from lockgen.core.resolution import Request
from lockgen.errors import LockgenError, NoResolution, ToolFailed
from lockgen.resolvers.url_requirements import from_uv
from lockgen.resolvers.uv_hints import without_hints

_WHEEL_NEEDED = re.compile(r"Wheels are required for `([^`]+)`|([\w.-]+?)(?:[=<>!~]+\S+)? has no usable wheels")
# Offline, uv reports this about a package with an extra or a marker if it never fetched the page.
_NOT_FETCHED = re.compile(r"there (?:is no version|are no versions) of [\w.-]+[\[{]")
_OFFLINE = re.compile(r"network was disabled|not found in the cache")
_BUILD_FAILED = re.compile(r"Failed to build|build backend|build-system\.requires")
_BY_URL = re.compile(r"`([A-Za-z0-9][\w.-]*(?:\[[^\]]*\])? ?@ ?[^`\s]+)`")
_REQUEST_FAILED = re.compile(r"Request failed|Failed to fetch|error sending request")


def uv_failure(stderr: str, code: int, request: Request) -> LockgenError:
    """The error for a run of uv that ended with the exit code ``code``, not 0."""
    message = re.sub(r"^error: ", "", stderr.strip())
    if request.target.patch is None:
        # uv gets the last patch release that the images may have, which need not exist.
        message = re.sub(rf">?=?\b{re.escape(request.target.latest_release)}\b", request.target.release, message)
    # What uv says decides which error it is, hints included; only the user must not see them.
    text, hints = without_hints(message)
    if _OFFLINE.search(message) or (request.offline and _NOT_FETCHED.search(_on_one_line(text))):
        return ToolFailed(
            "the cache lacks files that this resolution needs", reason=text, hint="retry without --offline"
        )
    by_url = from_uv(message)
    if by_url is not None:
        return by_url.error()
    # Only at the start: further down, it may be about the requirements of a build, which is not a conflict of ours.
    if re.match(r"\W*No solution found", text):
        return _no_solution(message, request)
    if _BUILD_FAILED.search(text):
        needed = _BY_URL.search(text)
        if needed is not None:
            return NoResolution(
                f"{_sentence(text.splitlines()[0])}: its build requires `{needed[1]}`, and a requirement by URL"
                " cannot be locked",
                reason=text,
                hint="pin a version that has a wheel, or one whose build requires it by name",
            )
        return ToolFailed(
            _sentence(text.splitlines()[0]),
            reason=text,
            hint="\n".join(hints) or "install what it needs to build, or pin a version that has a wheel",
        )
    if _REQUEST_FAILED.search(text):
        hint = "\n".join(hints) or "retry, or use --offline to resolve from the cache"
        return ToolFailed("the index could not be read", reason=text, hint=hint)
    if "No space left" in text:
        return ToolFailed("the disk is full", reason=text, hint="free some space. No files were changed.")
    return ToolFailed(f"uv stopped with exit code {code}", reason=text or None, hint="\n".join(hints) or None)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence(line: str) -> str:
    """``line`` as a message of lockgen, which starts in lower case."""
    return f"{line[:1].lower()}{line[1:]}"


def _no_solution(message: str, request: Request) -> NoResolution:
    text, hints = without_hints(message)
    # The first line is only "No solution found".
    reason = text.split("\n", 1)[-1]
    reason = re.sub(r"^\s*cause: ", "", reason)
    lines = [line.strip() for line in reason.strip().splitlines()]
    build_hint = _build_hint(message, request)
    found = [build_hint, *hints] if build_hint is not None else hints
    return NoResolution("no solution", reason="\n".join(lines), hint="\n".join(found) or None)


def _build_hint(text: str, request: Request) -> str | None:
    found = {canonicalize_name(quoted or bare) for quoted, bare in _WHEEL_NEEDED.findall(text)}
    # If other versions of a package take part by what they depend on, the conflict counts: a build would only add one
    # more version to it.
    line = _on_one_line(text)
    names = [name for name in sorted(found - request.build) if not _takes_part(name, line)]
    if not names:
        return None
    listed = ", ".join(f'"{name}"' for name in names)
    return (
        f"no wheel of {', '.join(names)} runs on the target: choose another version, or build it from source with"
        f" [family] build = [{listed}]"
    )


def _takes_part(name: str, text: str) -> bool:
    """Whether ``text`` says what versions of the package depend on."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?:\[[^\]]*\])?(?:[=<>!~]\S*)? depends? on ", text) is not None
