"""The engine: docker, buildx and bake, by their command line. What the user set up (contexts, DOCKER_HOST) holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lockgen.core.ports import Progress
from lockgen.errors import Fault, ToolFailed
from lockgen.images.build_model import BuildStep
from lockgen.images.builder_reader import Builder, parse_builder
from lockgen.images.buildkit_progress import ProgressReader
from lockgen.io.process import Finished, run, stream

_TIMEOUT = 120.0
_HASH = re.compile(r"[Hh]ash mismatch for `?([^`\s]+)`?|THESE PACKAGES DO NOT MATCH THE HASHES")
_PIP_HASH = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*==\S+) from ", re.MULTILINE)
_FILE = re.compile(r"source=(docker/\S+?),")
_MISSING = re.compile(r"failed to resolve source metadata for (\S+?):? |pull access denied for (\S+),|(\S+): not found")

_LOST = re.compile(
    r"closing transport|connection refused|EOF|Cannot connect|connection reset|error reading from server|broken pipe"
)
_GONE = "the engine went away while it built"
_GLITCH = "only one connection allowed"
"""What BuildKit says where two of its own calls open one session at once. Nothing is wrong with the build."""
_CURRENT = Builder("docker", None, None)


@dataclass(frozen=True)
class Docker:
    """One engine. ``name`` is a buildx builder, or a context as one; None is the current one."""

    root: Path
    name: str | None = None
    builder: Builder = _CURRENT

    def required(self) -> Docker:
        """The same with what its builder is.

        Raises:
            ToolFailed: there is no docker, no buildx, or no engine behind them.
        """
        if self._docker("buildx", "version").code:
            raise ToolFailed("docker has no buildx", hint="install the docker-buildx plugin: bake builds the images")
        inspected = self._docker("buildx", "inspect", *([self.name] if self.name else []))
        if inspected.code:
            raise ToolFailed(
                f"no builder {self.name!r}" if self.name else "no builder answers",
                reason=inspected.last_lines(),
                hint="see `docker buildx ls`",
            )
        builder = parse_builder(inspected.stdout)
        if builder.fault:
            raise ToolFailed(
                "the engine does not answer",
                reason=builder.fault,
                hint="start it, or name another: --builder, DOCKER_HOST",
            )
        return replace(self, builder=builder)

    @property
    def builds_here(self) -> bool:
        """Whether what is built is an image of the engine by itself."""
        return self.builder.driver == "docker"

    def bake(
        self,
        files: Sequence[Path],
        arguments: Sequence[str],
        env: Mapping[str, str],
        images: Mapping[str, str],
        progress: Progress,
    ) -> list[BuildStep]:
        """Builds; answers every step that there was. ``images`` says which image a target is of.

        Raises:
            ToolFailed: with a fault that says what failed in which image.
        """
        # buildx inspects a context by its name, and refuses to build with it by its name.
        context = self._context
        command = ["docker", *context, "buildx", "bake", "--progress=rawjson"]
        command += ["--builder", self.name] if self.name and not context else []
        for file in files:
            command += ["--file", str(file)]
        command += arguments
        faults = []
        for _ in range(2):
            reader = ProgressReader(images)
            done = stream(command, cwd=self.root, env=env, each=_telling(reader, progress))
            if not done.code:
                return reader.steps()
            faults = _faults(reader, done)
            if not any(_GLITCH in (fault.reason or "") for fault in faults):
                break
            progress.note("the engine refused a connection of its own: building once more")
        raise ToolFailed.of(faults)

    def size(self, reference: str) -> int | None:
        """The bytes of an image on this engine; None where it has none of that name."""
        found = self._engine("image", "inspect", "--format", "{{.Size}}", reference)
        return int(found.stdout) if not found.code else None

    def digest(self, reference: str) -> str | None:
        """The digest that a registry knows ``reference`` by; of an image that only the engine has, its id."""
        if "@" in reference:
            return reference.partition("@")[2]
        if self.builds_here:  # a builder elsewhere does not see this engine's images
            found = self._engine("image", "inspect", "--format", "{{json .RepoDigests}} {{.Id}}", reference)
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

    @property
    def _context(self) -> list[str]:
        """The option for the engine that has what was built, where that is not the current one."""
        return ["--context", self.builder.context] if self.name and self.builder.context else []

    def _engine(self, *arguments: str) -> Finished:
        return self._docker(*self._context, *arguments)

    def _docker(self, *arguments: str) -> Finished:
        return run(["docker", *arguments], cwd=self.root, timeout=_TIMEOUT)


def _telling(reader: ProgressReader, progress: Progress) -> Callable[[str], None]:
    def each(line: str) -> None:
        for news in reader.feed(line):
            (progress.note if news.stays else progress.step)(news.text)

    return each


def _faults(reader: ProgressReader, done: Finished) -> list[Fault]:
    failures = [(step, said) for step, said in reader.failures() if "context canceled" not in (step.error or "")]
    faults = [_fault(step, said, reader.image(step) or step.target or "the build") for step, said in failures]
    if not faults:
        text = "".join(reader.rest)
        faults = [_fault(BuildStep((), "bake", False, 0.0, text), "", "the build")]
    gone = [fault for fault in faults if fault.message == _GONE]
    return gone[:1] or list(dict.fromkeys(faults))


def _fault(step: BuildStep, said: str, image: str) -> Fault:
    """What a failed step says, in the words of images and layers."""
    # The whole script of the step stands in the error: what it said is the better reason.
    error = re.sub(r'process ".*" did not', "it did not", step.error or "", flags=re.DOTALL)
    reason = "\n".join((said.strip() or error.strip()).splitlines()[-30:])
    layer = _FILE.search(step.text)
    if (mismatch := _HASH.search(said)) is not None:
        named = mismatch[1] or ", ".join(_PIP_HASH.findall(said)) or "a file"
        where = f" in the layer of {layer[1]}" if layer else ""
        hint = "the index or the wheelhouse serves other bytes than the lock's: do not build with them"
        return Fault(f"{image}: hash mismatch of {named}{where}", reason=reason, hint=hint)
    if re.search("no space left", said + error, re.IGNORECASE):
        where = f", in the layer of {layer[1]}" if layer else ""
        hint = "docker system df; docker builder prune"
        return Fault(f"{image}: the engine's disk is full{where}", reason=reason, hint=hint)
    if (missing := _MISSING.search(error)) is not None and ("not found" in error or "denied" in error):
        name = next(part for part in missing.groups() if part)
        hint = "check `from` in versions.toml, or name one that is there: lockgen build --base NAME=OTHER"
        return Fault(f"{image}: base image {name} was not found", reason=reason, hint=hint)
    if _LOST.search(error):
        return Fault(_GONE, reason=reason, hint="start it again: what is built is cached")
    return Fault(f"{image}: {step.doing} failed", reason=reason)
