"""Run the checks of an image in a container of the built image, on a Docker engine."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from lockgen.errors import ToolFailed
from lockgen.io.containers import BuiltImage, Confinement, Engine
from lockgen.io.process import Finished
from lockgen.proof import supervisor
from lockgen.proof.check_run import (
    MOST_WRITTEN,
    CannotRun,
    Inside,
    control_files,
    most_seconds,
    result_of,
    supervisor_plan,
    variables_of_checks,
)
from lockgen.proof.model import Checks, ImageRun
from lockgen.proof.verdict import ending

PYTHON = "/opt/venv/bin/python"
"""The interpreter of every generated image."""

_CONTROL = "/checks"
_SCRATCH = "/tmp"  # noqa: S108  # of the container: it is empty, and in memory
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What docker uses for an image without a PATH."""

_START_SECONDS = 300
"""How long an engine may take to start a container and to remove it."""

_NO_PYTHON = re.compile(r"(no such file or directory|executable file not found|permission denied)", re.IGNORECASE)
_NO_GPU_SUPPORT = re.compile(r"could not select device driver|unresolvable CDI devices|no known GPU vendor")
_GPU_FAILED = re.compile(r"nvidia-container-\w+|invalid argument .* for \"--gpus\"|libnvidia-ml", re.IGNORECASE)


@dataclass(frozen=True)
class EnginePlace:
    """A place for runs of ``image``. ``folders`` are those that its user may write to; ``gpus`` is for `--gpus`."""

    engine: Engine
    image: BuiltImage
    folders: tuple[str, ...] = ()
    gpus: str | None = None
    size: int = MOST_WRITTEN

    @property
    def name(self) -> str:
        """What a report says about this place."""
        gpus = f" with --gpus {self.gpus}" if self.gpus is not None else ""
        emulated = f", emulated for {self.image.platform}" if self.is_emulated else ""
        return f"in a container of the built image{gpus}{emulated}"

    @property
    def is_emulated(self) -> bool:
        return self.image.platform != self.engine.platform()

    def run(self, checks: Checks) -> ImageRun:
        """Run ``checks``.

        Raises:
            CannotRun: the engine cannot run the image, or not with these GPUs.
        """
        inside = Inside(_CONTROL, _SCRATCH, self.image.folder, PYTHON)
        variables = {"PATH": _PATH, **self.image.environment, **variables_of_checks(checks, inside)}
        files = {f"{_CONTROL}/{name}": text for name, text in control_files(checks).items()}
        plan = supervisor_plan(checks, inside, variables, is_alone=True)
        request = json.dumps({"files": files, "plan": plan})
        # On the command line and in stdin: the files of this machine are not those of the engine's.
        argv = [PYTHON, "-I", "-S", "-c", supervisor.source(), "-"]
        confinement = self._confinement(checks)
        seconds = most_seconds(checks) + _START_SECONDS
        try:
            done = self.engine.run(self.image, argv, confinement, stdin=f"{request}\n", seconds=seconds)
        except ToolFailed as error:
            raise CannotRun(f"running the image: {error}") from error
        if done.code != 0:
            raise CannotRun(self._failure(done))
        found = result_of(checks, done.stdout, in_image=True)
        return replace(found, where=self.name, isolated=True)

    def _confinement(self, checks: Checks) -> Confinement:
        writable = (_CONTROL, _SCRATCH, "/var/tmp", *self.folders)  # noqa: S108  # of the container, too
        # Memory counts what is in the writable folders; the supervisor watches that of the processes alone.
        memory = checks.limits.memory + self.size
        return Confinement(writable, self.size, memory, checks.limits.network, self.gpus)

    def _failure(self, done: Finished) -> str:
        """Why the container did not run, and what to do."""
        text = done.stderr
        if self.gpus is not None and _NO_GPU_SUPPORT.search(text):
            return (
                f"the engine has no GPU for --gpus {self.gpus}: install the NVIDIA Container Toolkit on its machine, or"
                " choose an engine with a GPU with DOCKER_HOST"
            )
        if self.gpus is not None and _GPU_FAILED.search(text):
            return f"the engine does not provide --gpus {self.gpus}: {_reason(text)}"
        if "exec format error" in text:
            return (
                f"the image is for {self.image.platform}, and the engine for {self.engine.platform()}: install QEMU for"
                " binfmt_misc on its machine, or choose another engine with DOCKER_HOST"
            )
        if PYTHON in text and _NO_PYTHON.search(text):
            return f"the image has no {PYTHON}: build it with `lockgen build`"
        if done.code == 125:
            return f"the engine does not start the image: {_reason(text)}"
        return f"docker ended with {ending(done.code)} and without a report: {done.last_lines(1) or 'no message'}"


def _reason(text: str) -> str:
    """The error of docker, without its advice."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if not line.startswith(("See ", "Run '", "Usage:", "WARNING"))]
    return errors[0].removeprefix("docker: ").removeprefix("Error response from daemon: ") if errors else "no message"
