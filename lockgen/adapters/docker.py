"""The engine: docker, buildx and bake, by their command line. What the user set up (contexts, DOCKER_HOST) holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockgen.adapters.process import Finished, run, stream
from lockgen.errors import Fault, ToolFailed
from lockgen.model.building import Step
from lockgen.parsing.progress import ProgressReader

_TIMEOUT = 120.0
_HASH = re.compile(r"[Hh]ash mismatch for `?([^`\s]+)`?|THESE PACKAGES DO NOT MATCH THE HASHES")
_PIP_HASH = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*==\S+) from ", re.MULTILINE)
_FILE = re.compile(r"source=(docker/\S+?),")
_MISSING = re.compile(r"failed to resolve source metadata for (\S+?):? |pull access denied for (\S+),|(\S+): not found")


@dataclass(frozen=True)
class Docker:
    """One engine. ``builder`` is a buildx builder; None is the current one."""

    root: Path
    builder: str | None = None

    def require(self) -> None:
        """Raises ToolFailed where there is no docker, no buildx, or no engine behind them."""
        if self._docker("buildx", "version").code:
            raise ToolFailed("docker has no buildx", hint="install the docker-buildx plugin: bake builds the images")
        inspected = self._docker("buildx", "inspect", *([self.builder] if self.builder else []))
        if inspected.code:
            raise ToolFailed(
                f"no builder {self.builder!r}" if self.builder else "no builder answers",
                reason=inspected.last_lines(),
                hint="see `docker buildx ls`",
            )
        failed = re.search(
            r"^(?:Error|Status):\s*(.*(?:connect|refused|unreachable|no such file).*)$", inspected.stdout, re.MULTILINE
        )
        if failed:
            raise ToolFailed(
                "the engine does not answer", reason=failed[1], hint="start it, or name another: --builder, DOCKER_HOST"
            )

    def driver(self) -> str:
        inspected = self._docker("buildx", "inspect", *([self.builder] if self.builder else []))
        found = re.search(r"^Driver:\s*(\S+)", inspected.stdout, re.MULTILINE)
        return found[1] if found else ""

    def bake(
        self, files: Sequence[Path], arguments: Sequence[str], env: Mapping[str, str], began: Callable[[str], None]
    ) -> list[Step]:
        """Builds; answers every step that there was.

        Raises:
            ToolFailed: with a fault that says what failed in which image.
        """
        reader = ProgressReader()

        def each(line: str) -> None:
            if (text := reader.feed(line)) is not None:
                began(text)

        command = ["docker", "buildx", "bake", "--progress=rawjson"]
        command += ["--builder", self.builder] if self.builder else []
        for file in files:
            command += ["--file", str(file)]
        done = stream([*command, *arguments], cwd=self.root, env=env, each=each)
        if done.code:
            raise ToolFailed.of(_faults(reader, done))
        return reader.steps()

    def size(self, reference: str) -> int | None:
        """The bytes of an image on this engine; None where it has none of that name."""
        found = self._docker("image", "inspect", "--format", "{{.Size}}", reference)
        return int(found.stdout) if not found.code else None

    def digest(self, reference: str) -> str | None:
        """The digest that a registry knows ``reference`` by; of an image that is only here, its id."""
        if "@" in reference:
            return reference.partition("@")[2]
        found = self._docker("image", "inspect", "--format", "{{json .RepoDigests}} {{.Id}}", reference)
        if not found.code:
            digests, identity = found.stdout.strip().rsplit(" ", 1)
            known = json.loads(digests) or []
            return str(known[0]).partition("@")[2] if known else identity
        found = self._docker("buildx", "imagetools", "inspect", "--format", "{{json .Manifest.Digest}}", reference)
        return str(json.loads(found.stdout)) if not found.code else None

    def run(self, reference: str, *arguments: str, entrypoint: str | None = None, timeout: float = 600) -> Finished:
        """Runs an image once, without a network."""
        command = ["docker", "run", "--rm", "--network", "none"]
        command += ["--entrypoint", entrypoint] if entrypoint else []
        return run([*command, reference, *arguments], cwd=self.root, timeout=timeout)

    def config(self, reference: str) -> dict[str, object] | None:
        """`docker image inspect`; None where there is no such image."""
        found = self._docker("image", "inspect", reference)
        return dict(json.loads(found.stdout)[0]) if not found.code else None

    def layers(self, reference: str) -> list[str]:
        """The digests of an image's layers, from the bottom up; none where the engine has no such image."""
        found = self._docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", reference)
        return list(json.loads(found.stdout) or []) if not found.code else []

    def _docker(self, *arguments: str) -> Finished:
        return run(["docker", *arguments], cwd=self.root, timeout=_TIMEOUT)


def _faults(reader: ProgressReader, done: Finished) -> list[Fault]:
    faults = [_fault(step, said) for step, said in reader.failures() if "context canceled" not in (step.error or "")]
    text = "".join(reader.rest)
    if not faults:
        faults = [_fault(Step("", "bake", False, 0.0, text), "")]
    return list(dict.fromkeys(faults))


def _fault(step: Step, said: str) -> Fault:
    """What a failed step says, in the words of images and layers."""
    error = step.error or ""
    image = step.target.lstrip("_") or "the build"
    reason = "\n".join((said.strip() or error.strip()).splitlines()[-30:])
    if (mismatch := _HASH.search(said)) is not None:
        named = mismatch[1] or ", ".join(_PIP_HASH.findall(said)) or "a file"
        layer = _FILE.search(step.text)
        where = f" in the layer of {layer[1]}" if layer else ""
        hint = "the index or the wheelhouse serves other bytes than the lock's: do not build with them"
        return Fault(f"{image}: hash mismatch of {named}{where}", reason=reason, hint=hint)
    if "no space left" in said + error:
        return Fault(
            f"{image}: the engine's disk is full", reason=reason, hint="docker system df; docker builder prune"
        )
    if (missing := _MISSING.search(error)) is not None and ("not found" in error or "denied" in error):
        name = next(part for part in missing.groups() if part)
        hint = "check `from` in versions.toml, or name one that is there: lockgen build --base NAME=OTHER"
        return Fault(f"{image}: base image {name} was not found", reason=reason, hint=hint)
    if re.search(
        r"closing transport|connection refused|EOF|Cannot connect|connection reset|error reading from server", error
    ):
        return Fault(
            "the engine went away while it built", reason=reason, hint="start it again: what is built is cached"
        )
    return Fault(f"{image}: {step.text.splitlines()[0][:120]} failed", reason=reason)
