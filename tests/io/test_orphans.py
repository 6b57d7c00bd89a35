"""No process outlives lockgen, whatever ends it: resolvers, the builds that they run, and what builds start."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.project import Project
from support.signals import started

from lockgen.io.process import run

# A build that never ends. It starts a process in its own group, and one that leaves the group and the session.
BACKEND = """
import os, subprocess, sys, time
def get_requires_for_build_wheel(config_settings=None):
    near = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    far = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    with open({path!r} + ".draft", "w") as file:
        file.write(f"{{os.getpid()}} {{near.pid}} {{far.pid}}")
    os.replace({path!r} + ".draft", {path!r})
    time.sleep(600)
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    raise NotImplementedError
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'

FAMILY = cpu_family(
    "slow",
    """\
[pins]
sleepy = "1.0"

[common]
packages = ["sleepy"]

[bases.base]
""",
    settings='build = ["sleepy"]',
)


def add_slow_source(index: LocalIndex, path: Path) -> None:
    """A source distribution whose build writes the numbers of its processes to ``path``, and hangs."""
    files = {
        "pyproject.toml": PYPROJECT,
        "backend.py": BACKEND.format(path=str(path)),
        "PKG-INFO": "Metadata-Version: 2.1\nName: sleepy\nVersion: 1.0\n",
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"sleepy-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    index.add_file("sleepy", "sleepy-1.0.tar.gz", gzip.compress(buffer.getvalue(), mtime=0), None)


def wait_for(path: Path, child: subprocess.Popen[str]) -> list[int]:
    """The numbers in ``path``, which ``child`` writes."""
    until = time.monotonic() + 120
    while not path.exists():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    return [int(number) for number in path.read_text().split()]


def descendants_of(process: int) -> set[int]:
    """The processes that ``process`` has started, and theirs."""
    found: set[int] = set()
    pending = [process]
    while pending:
        # A process may end meanwhile.
        with contextlib.suppress(OSError):
            for listed in [*Path(f"/proc/{pending.pop()}/task").glob("*/children")]:
                children = {int(word) for word in listed.read_text().split()} - found
                found |= children
                pending += children
    return found


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    # A zombie has ended. Its new parent has not collected it yet.
    return state != "Z"


def assert_all_end(processes: set[int]) -> None:
    until = time.monotonic() + 60
    while left := {number for number in processes if is_alive(number)}:
        assert time.monotonic() < until, left
        time.sleep(0.05)


SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT]


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[Path]:
    """Where processes write their numbers. They are killed at the end, so that no later test meets them."""
    path = tmp_path / "numbers"
    yield path
    if path.exists():
        for number in path.read_text().split():
            if is_alive(int(number)):
                os.kill(int(number), signal.SIGKILL)


@pytest.mark.parametrize("number", SIGNALS[:2], ids=lambda number: signal.Signals(number).name)
@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
def test_a_resolver_and_its_builds_end_with_lockgen(
    index: LocalIndex, project: Project, numbers: Path, resolver: str, number: int
) -> None:
    add_slow_source(index, numbers)
    project.write(FAMILY)
    command = [sys.executable, "-m", "lockgen", "-C", str(project.root), "resolve", "--resolver", resolver]
    with started(command) as child:
        written = wait_for(numbers, child)
        processes = {*written, *descendants_of(child.pid)}
        assert len(processes) >= 4, "the resolver, a build and two of its children"
        child.send_signal(number)
        child.communicate(timeout=60)
    assert_all_end(processes)


PROGRAM = """
import signal, sys
from pathlib import Path
from lockgen.io.process import reading, run, stream
from lockgen.io.parallel import Threads
from lockgen.io.stopping import stop_for_good
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: sys.exit(1))
argv = ["sh", "-c", "sleep 600 & echo $$ $! > {path}.draft; mv {path}.draft {path}; wait"]
"""
WAYS = {
    "run": "run(argv, cwd=Path('/'))",
    "stream": "stream(argv, cwd=Path('/'), each=print)",
    "reading": "with reading(argv, cwd=Path('/')) as output: output.read()",
    "threads": """
try:
    Threads(2).each(lambda number: run(argv, cwd=Path('/')), [1, 2])
finally:
    stop_for_good()
""",
}


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_run_a_process(numbers: Path, way: str, number: int) -> None:
    program = PROGRAM.format(path=numbers) + WAYS[way]
    with started([sys.executable, "-c", program]) as child:
        processes = {*wait_for(numbers, child), *descendants_of(child.pid)}
        child.send_signal(number)
        child.wait(timeout=60)
    assert_all_end(processes)


def test_a_process_that_ignores_sigterm(numbers: Path) -> None:
    program = PROGRAM.format(path=numbers).replace("sleep 600 &", "trap '' TERM HUP INT; sleep 600 &") + WAYS["run"]
    with started([sys.executable, "-c", program]) as child:
        processes = set(wait_for(numbers, child))
        child.kill()
        child.wait(timeout=60)
    assert_all_end(processes)


def test_a_process_that_keeps_the_pipes_open(numbers: Path) -> None:
    """A build may leave a server in the background, in another session. lockgen waits only for the build."""
    leaving = "import subprocess, sys; print(1, flush=True); " + (
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True); "
        f"open({str(numbers)!r}, 'w').write(str(child.pid))"
    )
    done = run([sys.executable, "-c", leaving], cwd=Path("/"), timeout=300)
    assert (done.code, done.stdout) == (0, "1\n")
    assert is_alive(int(numbers.read_text()))


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_threads_whose_processes_have_left_their_session(numbers: Path, number: int) -> None:
    far = "setsid sh -c 'echo $$ > {path}.draft; mv {path}.draft {path}; sleep 600' & sleep 600"
    program = PROGRAM.format(path=numbers).replace("argv =", "argv = ['sh', '-c', FAR]\nunused =")
    program = f"FAR = {far.format(path=numbers)!r}\n" + program + WAYS["threads"]
    with started([sys.executable, "-c", program]) as child:
        processes = {*wait_for(numbers, child), *descendants_of(child.pid)}
        child.send_signal(number)
        child.wait(timeout=60)
    assert_all_end(processes)


def test_what_ends_by_itself_leaves_its_background_processes_alone(numbers: Path) -> None:
    """git starts its maintenance in the background: lockgen ends only what it waits for."""
    program = PROGRAM.format(path=numbers).replace("; wait", "; exit 0").replace("sleep 600 &", "sleep 600 >&- 2>&- &")
    done = subprocess.run([sys.executable, "-c", program + WAYS["run"]], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, background = numbers.read_text().split()
    assert is_alive(int(background))


def test_no_watchdog_stays_after_a_normal_end(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os
        from pathlib import Path
        from lockgen.io.process import run
        run(["true"], cwd=Path("/"))
        print(*[line for listed in Path("/proc/self/task").glob("*/children") for line in listed.read_text().split()])
    """)
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (watchdog,) = done.stdout.split()
    assert_all_end({int(watchdog)})
