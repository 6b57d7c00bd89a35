"""A separate Docker engine for tests, and its BuildKit on loopback, as a substitute for other machines."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import shlex
import shutil
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.tiny import PYTHON, docker

DOCKERD = Path(os.environ.get("ENGINE_ROOT", "/opt/docker-engine")) / "usr/sbin/dockerd"
_number = itertools.count()
SMALL = f"lockgen-tests/small:{os.getpid()}"
# The base image without what these tests do not need: it is loaded into every engine that they start.
DOCKERFILE = f"""\
FROM {PYTHON} AS whole
RUN rm -rf /usr/share/doc /usr/share/locale /usr/share/man /usr/share/perl* /usr/lib/*/perl* /usr/lib/*/gconv \
    /var/cache/* /var/lib/apt/lists/* /usr/lib/python3/dist-packages/*
FROM scratch
COPY --from=whole / /
"""


def dockerd() -> str:
    """The path of dockerd; the test is skipped with a reason if it cannot run."""
    if os.geteuid() != 0:
        pytest.skip("a second engine needs root; .ci/run as root on Debian 12 runs this")
    found = str(DOCKERD) if DOCKERD.is_file() else shutil.which("dockerd")
    if found is None:
        pytest.skip(f"no dockerd on PATH or in {DOCKERD.parent}; .ci/engine-up brings one to Debian 12")
    return found


def save_small_base(folder: Path) -> Path:
    """A file with the base image for `second_engine`."""
    (folder / "Dockerfile").write_text(DOCKERFILE)
    docker("build", "-q", "-t", SMALL, str(folder))
    docker("save", "-o", str(folder / "base.tar"), SMALL)
    docker("rmi", SMALL)
    return folder / "base.tar"


@dataclass
class Engine:
    """A second dockerd. ``disk`` limits its disk to so many MB; ``store`` takes containerd's image store.

    It runs in separate namespaces: when it is killed, its containerd, its containers and its mounts are gone, too.
    """

    folder: Path
    sockets: Path
    """A folder with a short name: the path of a Unix socket has at most 104 characters."""
    program: str
    disk: int | None = None
    store: bool = False
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    bridge: str = field(default_factory=lambda: f"lg{os.getpid()}-{next(_number)}")

    @property
    def host(self) -> str:
        return f"unix://{self.sockets}/docker.sock"

    @property
    def tcp(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def docker(self, *arguments: str, stdin: Path | None = None) -> str:
        with stdin.open("rb") if stdin else contextlib.nullcontext(subprocess.DEVNULL) as given:
            command = ["docker", "--host", self.host, *arguments]
            done = subprocess.run(command, stdin=given, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self) -> None:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        config = self.folder / "daemon.json"
        config.write_text(json.dumps({"features": {"containerd-snapshotter": self.store}}))
        (self.folder / "pid").unlink(missing_ok=True)
        (self.sockets / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        limited = f"mount -t tmpfs -o size={self.disk}m none {shlex.quote(str(data))} && " if self.disk else ""
        options = [
            f"--config-file={config}", f"--data-root={data}", f"--exec-root={self.sockets}/exec",
            f"--pidfile={self.folder}/pid", f"--bridge={self.bridge}", "--iptables=false", "--ip6tables=false",
            "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false", "--insecure-registry=localhost:5000",
            "--host", self.host, "--host", self.tcp,
        ]  # fmt: skip
        shell = f"{limited}exec {shlex.join([self.program, *options])}"
        # However this process ends, the engine ends with it.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
        command += ["--mount-proc", "sh", "-c", shell]
        path = f"{Path(self.program).parent}:{os.environ['PATH']}"
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PATH": path}
            )
        for _ in range(150):
            asked = ["docker", "--host", self.host, "version"]
            if subprocess.run(asked, capture_output=True, timeout=60).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        self.kill()
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def kill(self) -> None:
        """SIGKILL: the engine has no time to clean up."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None


@contextlib.contextmanager
def second_engine(
    folder: Path, program: str, base: Path, *, disk: int | None = None, store: bool = False
) -> Iterator[Engine]:
    """An engine that holds python:3.11-slim and nothing else; ``base`` is the file that `docker save` wrote."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # An engine with --bridge=none would take docker0 away from the machine's own.
    before = _interfaces()
    with tempfile.TemporaryDirectory(prefix="lg-", ignore_cleanup_errors=True) as sockets:
        engine = Engine(folder, Path(sockets), program, disk, store, port)
        with _bridge(engine.bridge):
            yield from _running(engine, base)
    assert before <= _interfaces(), "the machine's own engine has its network as before"


def _running(engine: Engine, base: Path) -> Iterator[Engine]:
    engine.start()
    try:
        engine.docker("load", stdin=base)
        engine.docker("tag", SMALL, PYTHON)
        engine.docker("rmi", SMALL)
        yield engine
    finally:
        engine.kill()
        shutil.rmtree(engine.folder / "data")


def client_settings(folder: Path) -> dict[str, str]:
    """A DOCKER_CONFIG of the test's own: its contexts and builders are not the user's; the plugins are."""
    folder.mkdir(exist_ok=True)
    config = {"cliPluginsExtraDirs": [str(Path.home() / ".docker/cli-plugins")]}
    (folder / "config.json").write_text(json.dumps(config))
    return {"DOCKER_CONFIG": str(folder)}


def _interfaces() -> set[str]:
    """docker0 and the like; those of containers come and go."""
    return {
        path.parent.name for path in Path("/sys/class/net").glob("*/bridge") if path.parent.name.startswith("docker")
    }


@contextlib.contextmanager
def _bridge(name: str) -> Iterator[None]:
    """A network bridge: without one no step runs, and docker0 belongs to the machine's own engine."""
    add, remove, flags = 0x89A0, 0x89A1, 0x8914  # SIOCBRADDBR, SIOCBRDELBR, SIOCSIFFLAGS
    with socket.socket() as door:
        for left in Path("/sys/class/net").glob("lg*-*"):  # of a run that was killed
            if not Path("/proc", left.name[2:].partition("-")[0]).exists():
                with contextlib.suppress(OSError):  # another run was faster
                    fcntl.ioctl(door, flags, struct.pack("16sH14x", left.name.encode(), 0))
                    fcntl.ioctl(door, remove, left.name.encode() + b"\0")
        fcntl.ioctl(door, add, name.encode() + b"\0")
        try:
            yield
        finally:
            fcntl.ioctl(door, flags, struct.pack("16sH14x", name.encode(), 0))
            fcntl.ioctl(door, remove, name.encode() + b"\0")


@contextlib.contextmanager
def buildkit(engine: Engine) -> Iterator[str]:
    """The BuildKit inside ``engine`` on a separate port, as a buildkitd would listen for buildx's remote driver."""
    env = {name: value for name, value in os.environ.items() if name != "DOCKER_CONTEXT"} | {"DOCKER_HOST": engine.host}

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            command = ["docker", "buildx", "--builder", "default", "dial-stdio"]
            subprocess.run(command, stdin=self.request, stdout=self.request, stderr=subprocess.DEVNULL, env=env)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
