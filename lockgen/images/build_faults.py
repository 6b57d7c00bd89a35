"""Explain why a build failed: what BuildKit reports about a failed step, in terms of images and layers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lockgen.errors import Fault
from lockgen.images.build_model import BuildStep
from lockgen.images.buildkit_progress import ProgressReader

_HASH_MISMATCH = re.compile(
    r"[Hh]ash mismatch for `?([^`\s]+)`?|THESE PACKAGES DO NOT MATCH THE HASHES",
)
_PIP_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*==\S+) from ", re.MULTILINE)
_FILE = re.compile(r"source=(docker/\S+?),")
_BASE_NOT_FOUND = re.compile(
    r"failed to resolve source metadata for (\S+?):? |pull access denied for (\S+),|(\S+): not found"
)
_CONNECTION_LOST = re.compile(
    r"closing transport|connection refused|EOF|Cannot connect|connection reset|error reading from server|broken pipe"
)
_ENGINE_GONE = "lost the connection to the Docker engine during the build"
_GLITCH = "only one connection allowed"
"""BuildKit's error when two of its calls open one session at once. The build itself is correct."""
_REASON_LINES = 30


def is_glitch(faults: Iterable[Fault]) -> bool:
    """Whether a failed build is worth a second try, because BuildKit refused an internal connection."""
    return any(_GLITCH in (fault.reason or "") for fault in faults)


def faults_of(reader: ProgressReader) -> list[Fault]:
    """The reasons why the build that ``reader`` followed failed; at least one."""
    faults = []
    for step, output in reader.failures():
        # One failure makes BuildKit cancel all other steps: those are not reasons.
        if "context canceled" not in (step.error or ""):
            faults.append(_StepFailure(step, output, reader.image(step) or step.target or "the build").fault())
    if not faults:
        error = "".join(reader.rest)
        faults.append(_StepFailure(BuildStep((), "bake", False, 0.0, error), "", "the build").fault())
    for fault in faults:
        if fault.message == _ENGINE_GONE:
            # Every running step fails with the engine; one message is enough.
            return [fault]
    return list(dict.fromkeys(faults))


class _StepFailure:
    """One failed step, its output, and the image that it belongs to."""

    def __init__(self, step: BuildStep, output: str, image: str) -> None:
        self._step = step
        self._output = output
        self._image = image
        # The error repeats the step's whole script, which hides the rest.
        self._error = re.sub(r'process ".*" did not', "it did not", step.error or "", flags=re.DOTALL)
        file = _FILE.search(step.text)
        self._layer = f"in the layer of {file[1]}" if file else ""

    def fault(self) -> Fault:
        """The first known cause that matches; else the step alone."""
        # A hash mismatch comes first: it may be an attack, and must not look like another failure.
        return (
            self._hash_mismatch()
            or self._disk_full()
            or self._base_not_found()
            or self._engine_gone()
            or Fault(f"{self._image}: {self._step.description} failed", reason=self._reason)
        )

    @property
    def _reason(self) -> str:
        text = self._output.strip() or self._error.strip()
        return "\n".join(text.splitlines()[-_REASON_LINES:])

    def _hash_mismatch(self) -> Fault | None:
        mismatch = _HASH_MISMATCH.search(self._output)
        if mismatch is None:
            return None
        # uv names the package in its message; pip lists requirements below it.
        names = mismatch[1] or ", ".join(_PIP_REQUIREMENT.findall(self._output)) or "a file"
        where = f" {self._layer}" if self._layer else ""
        hint = "the index or the wheelhouse serves other bytes than the locked ones: do not build with them"
        return Fault(f"{self._image}: hash mismatch of {names}{where}", reason=self._reason, hint=hint)

    def _disk_full(self) -> Fault | None:
        if not re.search("no space left", self._output + self._error, re.IGNORECASE):
            return None
        where = f", {self._layer}" if self._layer else ""
        hint = "docker system df; docker builder prune"
        return Fault(f"{self._image}: the engine's disk is full{where}", reason=self._reason, hint=hint)

    def _base_not_found(self) -> Fault | None:
        found = _BASE_NOT_FOUND.search(self._error)
        if found is None or not ("not found" in self._error or "denied" in self._error):
            return None
        # Each alternative of the pattern has its own group.
        name = next(group for group in found.groups() if group)
        hint = "check `from` in versions.toml, or replace the base image: lockgen build --base NAME=OTHER"
        return Fault(f"{self._image}: base image {name} was not found", reason=self._reason, hint=hint)

    def _engine_gone(self) -> Fault | None:
        if not _CONNECTION_LOST.search(self._error):
            return None
        return Fault(_ENGINE_GONE, reason=self._reason, hint="run the command again: finished steps are cached")
