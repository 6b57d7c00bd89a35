"""The Docker engine, buildx and bake, through their command line.

So the user's own settings (contexts, DOCKER_HOST, credential helpers) apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lockgen.core.documents import parse_json
from lockgen.core.ports import Progress
from lockgen.errors import ToolFailed
from lockgen.images.build_faults import faults_of, is_glitch
from lockgen.images.build_model import BuildStep
from lockgen.images.builder_reader import Builder, parse_builder
from lockgen.images.buildkit_progress import ProgressReader
from lockgen.io.process import Finished, run, stream

_TIMEOUT = 120.0
_ATTEMPTS = 2
_CURRENT = Builder("docker", None, None)


@dataclass(frozen=True)
class Docker:
    """One engine. ``name`` is a buildx builder, or a Docker context used as one; None is the current one."""

    root: Path
    name: str | None = None
    builder: Builder = _CURRENT

    def required(self) -> Docker:
        """The same engine, with the properties of its builder.

        Raises:
            ToolFailed: docker or buildx is missing, or no engine answers.
        """
        if self._docker("buildx", "version").code:
            raise ToolFailed(
                "docker has no buildx plugin",
                hint="install docker-buildx-plugin: lockgen builds images with `docker buildx bake`",
            )
        inspected = self._docker("buildx", "inspect", *([self.name] if self.name else []))
        if inspected.code:
            raise ToolFailed(
                f"builder {self.name!r} not found" if self.name else "no builder answers",
                reason=inspected.last_lines(),
                hint="list the builders with `docker buildx ls`",
            )
        builder = parse_builder(inspected.stdout)
        if builder.fault:
            raise ToolFailed(
                "the engine does not answer",
                reason=builder.fault,
                hint="start it, or choose another one with --builder or DOCKER_HOST",
            )
        return replace(self, builder=builder)

    @property
    def builds_here(self) -> bool:
        """Whether a finished build is an image of the engine, without loading it."""
        return self.builder.driver == "docker"

    def bake(
        self,
        files: Sequence[Path],
        arguments: Sequence[str],
        env: Mapping[str, str],
        images: Mapping[str, str],
        progress: Progress,
    ) -> list[BuildStep]:
        """Build with bake, and return every step. ``images`` maps bake targets to images.

        Raises:
            ToolFailed: with a fault for each step that failed.
        """
        command = self._bake_command(files, arguments)
        faults = []
        for _ in range(_ATTEMPTS):
            reader = ProgressReader(images)
            done = stream(command, cwd=self.root, env=env, each=_reporter(reader, progress))
            if not done.code:
                return reader.steps()
            faults = faults_of(reader)
            if not is_glitch(faults):
                break
            progress.note("BuildKit refused an internal connection; retrying the build")
        raise ToolFailed.of(faults)

    def _bake_command(self, files: Sequence[Path], arguments: Sequence[str]) -> list[str]:
        command = ["docker", *self._context, "buildx", "bake", "--progress=rawjson"]
        # buildx inspects a context under its name, but refuses to build with it under that name.
        if self.name and not self._context:
            command += ["--builder", self.name]
        for file in files:
            command += ["--file", str(file)]
        return [*command, *arguments]

    def size(self, reference: str) -> int | None:
        """The size of an image on this engine, in bytes; None if it does not exist."""
        found = self._engine("image", "inspect", "--format", "{{.Size}}", reference)
        return int(found.stdout) if not found.code else None

    def digest(self, reference: str) -> str | None:
        """The digest of ``reference`` in its registry; for an image that exists only on the engine, its id."""
        if "@" in reference:
            return reference.partition("@")[2]
        if self.builds_here:  # a builder outside the engine does not see the engine's images
            digest = self._local_digest(reference)
            if digest is not None:
                return digest
        return self._remote_digest(reference)

    def _local_digest(self, reference: str) -> str | None:
        found = self._engine("image", "inspect", "--format", "{{json .RepoDigests}} {{.Id}}", reference)
        if found.code:
            return None
        digests, identity = found.stdout.strip().rsplit(" ", 1)
        known = parse_json(digests) or []
        return str(known[0]).partition("@")[2] if known else identity

    def _remote_digest(self, reference: str) -> str | None:
        found = self._docker("buildx", "imagetools", "inspect", "--format", "{{json .Manifest.Digest}}", reference)
        return str(parse_json(found.stdout)) if not found.code else None

    def run(self, reference: str, *arguments: str, entrypoint: str | None = None, timeout: float = 600) -> Finished:
        """Run an image once, without a network. ``timeout`` is in seconds."""
        command = ["docker", "run", "--rm", "--network", "none"]
        command += ["--entrypoint", entrypoint] if entrypoint else []
        return run([*command, reference, *arguments], cwd=self.root, timeout=timeout)

    def layers(self, reference: str) -> list[str]:
        """The digests of an image's layers, from the bottom up; empty if the engine has no such image."""
        found = self._docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", reference)
        return list(parse_json(found.stdout) or []) if not found.code else []

    @property
    def _context(self) -> list[str]:
        """The option that selects the engine with the built images, if that is not the current one."""
        if self.name and self.builder.context:
            return ["--context", self.builder.context]
        return []

    def _engine(self, *arguments: str) -> Finished:
        return self._docker(*self._context, *arguments)

    def _docker(self, *arguments: str) -> Finished:
        return run(["docker", *arguments], cwd=self.root, timeout=_TIMEOUT)


def _reporter(reader: ProgressReader, progress: Progress) -> Callable[[str], None]:
    """A function that passes each line of bake's stderr on as messages."""

    def report(line: str) -> None:
        for news in reader.feed(line):
            if news.stays:
                progress.note(news.text)
            else:
                progress.step(news.text)

    return report
