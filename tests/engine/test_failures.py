"""Failures of real engines during a build: killed, disk full, interrupted, no buildx."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.engines import Engine, dockerd, second_engine
from support.index import wheel
from support.signals import started
from support.tiny import Tiny

ENTRY = 'ENTRYPOINT ["python", "/app/demux.py"]\n'
SLEEP = "lockgen-test-sleep"


@contextmanager
def _with_step(tiny: Tiny, step: str) -> Iterator[None]:
    """The Dockerfile of demux with an additional step."""
    tiny.edit("docker/demux/Dockerfile", ENTRY, f"USER 0\nRUN {step}\n{ENTRY}")
    try:
        yield
    finally:
        tiny.git("checkout", "docker/demux/Dockerfile")


@contextmanager
def _building(tiny: Tiny, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A build of demux, at the step that sleeps."""
    command = [sys.executable, "-m", "lockgen", "build", "--accept-drift", *arguments, "demux"]
    with started(command, cwd=tiny.root, env=tiny.env) as child:
        assert _until(lambda: bool(_processes(SLEEP)) or child.poll() is not None, 100)
        assert child.poll() is None, child.communicate()
        yield child


def _processes(word: str) -> list[str]:
    """The command lines of running processes that contain ``word``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    over = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > over:
            return False
        time.sleep(0.1)
    return True


def test_ctrl_c_stops_the_build_on_the_engine(tiny: Tiny, other: Engine) -> None:
    there = replace(tiny, env={**tiny.env, "DOCKER_HOST": other.host})
    with _with_step(tiny, f"sh -c ': {SLEEP}; sleep 600'"), _building(there, *tiny.fetched()) as child:
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (130, ""), err
    assert "interrupted" in err
    assert "Traceback" not in err
    assert _until(lambda: not _processes(SLEEP), 20), "the engine stopped the step"
    assert not _processes(str(tiny.wheelhouse)), "no bake process is left"


def test_a_build_resumes_after_the_engine_dies(tiny: Tiny, other: Engine) -> None:
    there = replace(tiny, env={**tiny.env, "DOCKER_HOST": other.host})
    where = tiny.fetched()
    with _with_step(tiny, f"sh -c ': {SLEEP}; sleep 600'"), _building(there, *where) as child:
        other.kill()
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (4, ""), err
    faults = [line for line in err.splitlines() if line.startswith("error: ")]
    assert faults == ["error: lost the connection to the Docker engine during the build"], err
    assert "hint: run the command again: finished steps are cached" in err
    assert not _processes(SLEEP)
    lost = there.run("build", *where, "demux")
    assert lost.code == 4
    assert "the engine does not answer" in lost.err
    other.start()
    built = there.build("demux")["demux:cpu"]
    assert (built["cached"], built["installed"]) == (built["steps"], 0), "as the hint says"


def test_a_full_disk_of_the_engine_is_reported(tiny: Tiny, small_base: Path, tmp_path: Path) -> None:
    """A package of 400 MB on a disk of 420 MB with the base image. The kernel refuses, and uv reports it."""
    text = "Metadata-Version: 2.1\nName: gamma\nVersion: 5.0\n"
    tiny.index.add_file(
        "gamma", *wheel("gamma", "5.0", "py3-none-any", text, unhashed={"gamma/large": bytes(400_000_000)}), text
    )
    tiny.edit("versions.toml", 'gamma = "1.0"', 'gamma = "5.0"')
    tiny.ok("resolve")
    where = tiny.fetched()
    with second_engine(tmp_path, dockerd(), small_base, disk=420) as engine:
        failed = replace(tiny, env={**tiny.env, "DOCKER_HOST": engine.host}).run("build", *where, "demux")
    tiny.git("checkout", ".")
    assert failed.code == 4, failed.err
    faults = [line for line in failed.err.splitlines() if line.startswith("error: ")]
    where_full = "in the layer of docker/demux/requirements-demux.txt"
    assert faults == [f"error: demux:cpu: the engine's disk is full, {where_full}"], failed.err
    assert "No space left on device" in failed.err
    assert "hint: docker system df; docker builder prune" in failed.err


def test_missing_buildx_is_reported(tiny: Tiny) -> None:
    """docker looks for plugins in folders that are fixed at its build; here they are empty."""
    folders = [f"/usr/{part}/docker/cli-plugins" for part in ("local/lib", "local/libexec", "lib", "libexec")]
    hidden = "".join(f"mount -t tmpfs none {folder}; " for folder in folders if Path(folder).is_dir())
    script = f"set -e; {hidden}exec {shlex.join([sys.executable, '-m', 'lockgen', 'build', 'demux'])}"
    command = ["unshare", "--mount", "sh", "-c", script]
    env = {**tiny.env, "DOCKER_CONFIG": str(tiny.root.parent / "no-settings")}
    if os.geteuid() != 0:
        pytest.skip("hiding the machine's buildx needs root; .ci/run as root runs this")
    done = subprocess.run(command, cwd=tiny.root, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("error: docker has no buildx")
    assert "install docker-buildx-plugin" in done.stderr
