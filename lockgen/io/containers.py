"""Containers of the Docker engine, the one door: run a command in a built image, with few rights, and leave nothing.

A container ends with lockgen: its first process gets the command's input and reads on, and docker closes that input
when its client ends, also if it is killed and if the engine is another machine. The engine then removes the container.
A client that is killed before it starts its container leaves one, which the next run removes.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgen.core.documents import parse_json
from lockgen.errors import ToolFailed
from lockgen.io.process import Finished, run

LABEL = "dev.lockgen.run"
"""The label of each container: which process started it, and when."""

_SECONDS = 120.0
_HOUR = 3600.0
_MOST_PROCESSES = 2048
"""The most processes and threads of a container. Libraries start threads for each core in each process."""

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image of the engine. ``folder`` is its working directory, ``volumes`` are the folders of its VOLUMEs,
    ``user`` is a name or a number, and maybe a group after a colon."""

    reference: str
    identity: str
    platform: str
    environment: Mapping[str, str]
    folder: str
    volumes: tuple[str, ...]
    user: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a container may do.

    ``writable`` are its only folders to write to: empty, in memory, with at most ``size`` bytes each. ``memory`` bounds
    all that it uses, those folders included. ``gpus`` is a value of `docker run --gpus`.
    """

    writable: tuple[str, ...]
    size: int
    memory: int
    network: bool = False
    gpus: str | None = None


@dataclass(frozen=True)
class Engine:
    """The current engine. ``root`` is the folder that docker runs in."""

    root: Path

    def image(self, reference: str) -> BuiltImage | None:
        """The image under ``reference``; None if the engine has none.

        Raises:
            ToolFailed: docker is not installed, or no engine answers.
        """
        found = self._docker("image", "inspect", reference)
        if found.code == 0:
            return _image(reference, parse_json(found.stdout)[0])
        if "no such image" in found.stderr.lower():
            return None
        raise ToolFailed(
            "the engine does not answer",
            reason=found.last_lines(),
            hint="start it, or choose another one with DOCKER_HOST",
        )

    def platform(self) -> str:
        """What the engine runs without emulation, as in "linux/amd64"; "" if it does not say."""
        found = self._docker("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")
        return found.stdout.strip() if found.code == 0 else ""

    def run(
        self, image: BuiltImage, argv: Sequence[str], confinement: Confinement, *, stdin: str, seconds: float
    ) -> Finished:
        """Run ``argv`` in a container of ``image``. Its input is ``stdin``, and stays open as long as lockgen waits.

        Raises:
            ToolFailed: docker is not installed, or the command ran for more than ``seconds``.
        """
        self._remove_leftovers()
        name = f"lockgen-{os.urandom(8).hex()}"
        program, *arguments = argv
        command = ["docker", "run", "--name", name, "--label", f"{LABEL}={_owner()}"]
        command += self._options(image, confinement)
        command += ["--entrypoint", program, image.identity, *arguments]
        try:
            return run(command, cwd=self.root, timeout=seconds, stdin=stdin, holds_stdin=True)
        except BaseException:
            # The container ends by itself, but not before a timeout or Ctrl-C is reported.
            with contextlib.suppress(ToolFailed):
                self._remove(name)
            raise

    def _options(self, image: BuiltImage, confinement: Confinement) -> list[str]:
        options = ["--rm", "--interactive", "--pull", "never", "--log-driver", "none", "--no-healthcheck"]
        options += ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        options += ["--hostname", "sandbox", "--ulimit", "core=0", "--pids-limit", str(_MOST_PROCESSES)]
        memory = str(confinement.memory)
        options += ["--memory", memory, "--memory-swap", memory, "--shm-size", str(confinement.size)]
        if not confinement.network:
            options += ["--network", "none"]
        if confinement.gpus is not None:
            options += ["--gpus", confinement.gpus]
        # A volume is a folder on the engine's disk, without a limit, unless something else is mounted there.
        for path in dict.fromkeys((*confinement.writable, *image.volumes)):
            options += ["--tmpfs", f"{path}:rw,exec,nosuid,nodev,size={confinement.size},{_ownership(image)}"]
        # docker passes the proxies of its settings on, which may contain passwords.
        for proxy in _PROXIES:
            for variable in (proxy, proxy.upper()):
                options += ["--env", f"{variable}={image.environment.get(variable, '')}"]
        if image.platform != self.platform():
            options += ["--platform", image.platform]
        return options

    def _remove_leftovers(self) -> None:
        """Remove the containers of runs that were killed. An engine that does not answer has none."""
        shown = '{{.ID}} {{.State}} {{.Label "' + LABEL + '"}}'
        with contextlib.suppress(ToolFailed):
            listed = self._docker("ps", "--all", "--filter", f"label={LABEL}", "--format", shown)
            for line in listed.stdout.splitlines():
                identity, _, rest = line.partition(" ")
                state, _, owner = rest.partition(" ")
                if _is_left(owner, is_running=state == "running"):
                    self._remove(identity)

    def _remove(self, name: str) -> None:
        self._docker("rm", "--force", "--volumes", name)

    def _docker(self, *arguments: str) -> Finished:
        return run(["docker", *arguments], cwd=self.root, timeout=_SECONDS)


def _ownership(image: BuiltImage) -> str:
    """Who owns the folders in memory. A folder of the image keeps its mode, but not its owner."""
    user, _, group = image.user.partition(":")
    names = {"uid": user, "gid": group}
    return ",".join(["mode=1777", *(f"{name}={number}" for name, number in names.items() if number.isdecimal())])


def _image(reference: str, document: Any) -> BuiltImage:
    config = document["Config"] or {}
    variables = (text.partition("=") for text in config.get("Env") or ())
    return BuiltImage(
        reference,
        str(document["Id"]),
        f"{document['Os']}/{document['Architecture']}",
        {name: value for name, _, value in variables},
        str(config.get("WorkingDir") or "/"),
        tuple(config.get("Volumes") or ()),
        str(config.get("User") or ""),
        dict(config.get("Labels") or {}),
    )


# -- who started a container ----------------------------------------------------------


def _owner() -> str:
    """This process, as text. An engine may have containers of other machines, and of processes in containers."""
    return " ".join([*_machine(), str(os.getpid()), _started(os.getpid()), str(int(time.time()))])


def _machine() -> tuple[str, str]:
    """The boot and the namespace that process ids are valid in; "-" where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return boot, str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "-", "-"


def _started(process: int) -> str:
    """When a process started, in ticks: a later one may have the same id. "-" if it does not run."""
    try:
        # The name of the program, in parentheses, may contain spaces.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "-"
    is_dead = fields[0] in {"Z", "X"}
    return "-" if is_dead else fields[19]


def _is_left(owner: str, *, is_running: bool) -> bool:
    """Whether the process that started a container has ended, as far as this one knows."""
    match owner.split():
        case [boot, namespace, process, started, _] if (boot, namespace) == _machine() != ("-", "-"):
            return _started(int(process)) != started
        case [_, _, _, _, at]:
            # A container that runs has an end. One that is only created does not wait for an hour.
            return not is_running and time.time() - float(at) > _HOUR
    return False
