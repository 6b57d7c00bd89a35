"""Checks in containers of a real engine: what they can do, and what stops them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.tiny import PYTHON, docker

from lockgen.core.manifest import CheckLimits
from lockgen.errors import ToolFailed
from lockgen.io.containers import LABEL, Engine
from lockgen.proof.check_run import CannotRun
from lockgen.proof.engine_place import EnginePlace
from lockgen.proof.model import Checks, ImageRun, ImportCheck, Line, Problem

MODULES = {
    "fine": "import sys, warnings\nprint('hello', file=sys.stderr)\nwarnings.warn('odd')\n",
    "broken": "import fine\nmissing_name\n",
    "without_library": "import ctypes\nctypes.CDLL('libnowhere.so.3')\n",
    "of_gpu": "import ctypes\nctypes.CDLL('libcuda.so.1')\n",
}
DOCKERFILE = f"""\
FROM {PYTHON}
RUN python -m venv --without-pip /opt/venv && useradd --uid 1000 --create-home app \
    && mkdir -p /app/out /data && chown 1000:1000 /app/out /data
COPY modules /opt/venv/lib/python3.11/site-packages
COPY smoke /app/smoke
ENV PATH="/opt/venv/bin:$PATH" MODE="fast" https_proxy="http://of-the-image"
VOLUME /data
WORKDIR /app
USER 1000:1000
"""
SMALL = 20_000_000


def built(folder: Path, dockerfile: str, name: str, *options: str) -> str:
    """The reference of an image that is built from ``folder``."""
    (folder / "Dockerfile").write_text(dockerfile)
    docker("build", "--quiet", *options, "--tag", name, str(folder))
    return name


@pytest.fixture(scope="module")
def reference(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("image")
    (folder / "modules").mkdir()
    for name, code in MODULES.items():
        (folder / "modules" / f"{name}.py").write_text(code)
    (folder / "smoke").mkdir()
    (folder / "smoke" / "check.py").write_text("import os, fine\nassert os.environ['MODE'] == 'fast'\n")
    name = built(folder, DOCKERFILE, f"lockgen-test-{os.getpid()}")
    yield name
    docker("rmi", "--force", name)


@pytest.fixture
def place(reference: str, tmp_path: Path) -> Iterator[EnginePlace]:
    here = Engine(tmp_path)
    image = here.image(reference)
    assert image is not None
    yield EnginePlace(here, image, ("/app/out",), size=SMALL)
    assert containers() == []


def containers() -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()


def imported(place: EnginePlace, *modules: str) -> ImageRun:
    return place.run(Checks(tuple(ImportCheck(module, (module,)) for module in modules)))


def run_tests(place: EnginePlace, *programs: str, limits: CheckLimits | None = None) -> ImageRun:
    commands = tuple(("python", "-c", program) for program in programs)
    return place.run(Checks((), commands, limits or CheckLimits(seconds=60)))


def only(run: ImageRun) -> Problem:
    (problem,) = run.problems
    assert run.status == "no"
    return problem


def test_imports_and_tests_run_in_the_image(place: EnginePlace) -> None:
    checks = Checks((ImportCheck("fine", ("fine",)),), (("python", "smoke/check.py"), ("sh", "-c", "exit 3")))
    found = place.run(checks)
    problem = only(found)
    assert (problem.kind, problem.by, problem.text) == ("test", "sh -c exit 3", "it ended with exit code 3")
    assert set(found.lines) == {Line("fine", "stderr", "hello"), Line("fine", "warning", "UserWarning: odd")}
    assert (found.where, found.isolated) == ("in a container of the built image", True)
    assert found.memory > 1_000_000
    passed = place.run(replace(checks, tests=checks.tests[:1]))
    assert (passed.status, passed.problems) == ("yes", ())


def test_an_import_that_fails_is_a_problem(place: EnginePlace) -> None:
    problem = only(imported(place, "broken"))
    assert problem.text == "broken cannot be imported: NameError: name 'missing_name' is not defined"


def test_a_library_that_the_image_lacks_is_a_problem(place: EnginePlace) -> None:
    assert "libnowhere.so.3: cannot open shared object file" in only(imported(place, "without_library")).text


def test_what_needs_a_gpu_is_unknown_without_one(place: EnginePlace) -> None:
    found = imported(place, "of_gpu")
    assert (found.status, found.reason) == ("unknown", "of_gpu needs a GPU, which is not there")


def test_a_gpu_that_the_engine_does_not_have_is_named(place: EnginePlace) -> None:
    with pytest.raises(CannotRun, match="the engine has no GPU for --gpus all: install the NVIDIA Container Toolkit"):
        imported(replace(place, gpus="all"), "fine")
    with pytest.raises(CannotRun, match=r"the engine does not provide --gpus none=1: .*unexpected key 'none'"):
        imported(replace(place, gpus="none=1"), "fine")


def test_a_test_that_hangs_is_stopped_with_its_processes(place: EnginePlace) -> None:
    hanging = "import subprocess, time\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\ntime.sleep(600)"
    left = (
        "import os\nfor name in os.listdir('/proc'):\n    if name.isdigit(): print(open(f'/proc/{name}/comm').read())"
    )
    found = run_tests(place, hanging, f"{left}\nraise SystemExit(1)", limits=CheckLimits(seconds=3))
    hung, listed = found.problems
    assert (hung.kind, hung.text) == ("limit", "it did not end within 3 s")
    assert "sleep" not in listed.output.split()


def test_a_fork_bomb_ends_and_the_next_test_runs(place: EnginePlace) -> None:
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    found = run_tests(
        place, bomb, "import subprocess\nsubprocess.run(['true'], check=True)", limits=CheckLimits(seconds=5)
    )
    assert [problem.text for problem in found.problems if problem.by.endswith("check=True)")] == []
    assert only(found).kind == "limit"


def test_a_full_disk_is_the_disk_of_the_container(place: EnginePlace) -> None:
    fill = "with open('{folder}/x', 'wb') as file:\n    while True: file.write(b'x' * 1_000_000)"
    paths = ("/tmp", "/dev/shm", "/app/out", "/data", "/var/tmp")  # noqa: S108  # of the container
    found = run_tests(place, *(fill.replace("{folder}", path) for path in paths))
    outputs = [problem.output.splitlines()[-1] for problem in found.problems]
    assert outputs == ["OSError: [Errno 28] No space left on device"] * len(paths)


def test_too_much_memory_is_a_limit(place: EnginePlace) -> None:
    hungry = "import time\nheld = bytearray({size})\nfor at in range(0, len(held), 4096): held[at] = 1\ntime.sleep(60)"
    limits = CheckLimits(seconds=60, memory=100_000_000)
    # With room for more in memory, so that the supervisor is the first to stop it.
    roomy = replace(place, size=5 * SMALL)
    watched = run_tests(roomy, hungry.replace("{size}", "110_000_000"), limits=limits)
    assert (only(watched).kind, only(watched).text) == ("limit", "it used more than 100.0 MB of memory")
    # The kernel may be faster than the supervisor.
    at_once = run_tests(place, hungry.replace("{size}", "2_000_000_000"), limits=limits)
    assert only(at_once).kind == "limit"
    assert only(at_once).text in {
        "it used more than 100.0 MB of memory",
        "the kernel ended it, as memory ran out",
    }


def test_a_container_has_no_network_and_can_write_nowhere_else(place: EnginePlace) -> None:
    program = """
import os, pathlib, socket
def fails(act):
    try:
        act()
    except OSError:
        return True
    return False
assert [name for _, name in socket.if_nameindex()] == ['lo'], 'interfaces'
assert fails(lambda: socket.create_connection(('172.17.0.1', 5000), 2)), 'network'
for folder in ('/app', '/opt/venv', '/home/app', '/usr', '/', '/etc'):
    assert fails(lambda: pathlib.Path(folder, 'x').write_text('x')), folder
for folder in ('/tmp', '/app/out', '/dev/shm', os.environ['HOME'], os.environ['TMPDIR']):
    pathlib.Path(folder, 'x').write_text('x')
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
assert int(status['CapBnd'], 16) == 0, 'capabilities'
assert status['NoNewPrivs'].strip() == '1'
assert os.getuid() == 1000
"""
    found = run_tests(place, program)
    assert (found.status, found.problems) == ("yes", ())
    allowed = run_tests(place, program, limits=CheckLimits(network=True))
    assert "AssertionError: interfaces" in only(allowed).output


def test_the_environment_is_that_of_the_image(
    place: EnginePlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """docker would pass on the proxies of its settings, with their passwords."""
    (tmp_path / "config.json").write_text('{"proxies": {"default": {"httpProxy": "http://me:secret@proxy:1"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("TOKEN", "secret")
    program = """
import os
assert os.environ['MODE'] == 'fast'
assert os.environ['https_proxy'] == 'http://of-the-image'
assert os.environ['HF_HUB_OFFLINE'] == '1'
assert 'secret' not in str(os.environ), 'secret'
"""
    found = run_tests(place, program)
    assert (found.status, found.problems) == ("yes", ())


def test_a_test_cannot_write_into_the_report(place: EnginePlace) -> None:
    program = "open('/proc/1/{name}')"
    for name in ("fd/1", "environ", "mem"):
        problem = only(run_tests(place, program.replace("{name}", name)))
        assert problem.output.splitlines()[-1].startswith("PermissionError")


def test_an_image_that_is_not_there_and_an_engine_that_does_not_answer(
    engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Engine(tmp_path).image("localhost:5000/lockgen/nowhere:1") is None
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(ToolFailed, match="the engine does not answer"):
        Engine(tmp_path).image(PYTHON)


def test_an_image_without_the_python_is_named(engine: None, tmp_path: Path) -> None:
    image = Engine(tmp_path).image(PYTHON)
    assert image is not None
    with pytest.raises(CannotRun, match="the image has no /opt/venv/bin/python: build it with `lockgen build`"):
        imported(EnginePlace(Engine(tmp_path), image), "fine")


def test_an_image_for_another_machine_is_named(engine: None, tmp_path: Path) -> None:
    other = "arm64" if docker("version", "--format", "{{.Server.Arch}}") == "amd64" else "amd64"
    # An ELF file for a machine that no engine has.
    header = bytes([0x7F, 0x45, 0x4C, 0x46, 2, 1, 1]) + bytes(9) + bytes([2, 0, 0xFE, 0xCA]) + bytes(100)
    (tmp_path / "python").write_bytes(header)
    (tmp_path / "python").chmod(0o755)
    name = f"lockgen-test-other-{os.getpid()}"
    built(tmp_path, "FROM scratch\nCOPY python /opt/venv/bin/python\n", name, "--platform", f"linux/{other}")
    try:
        image = Engine(tmp_path).image(name)
        assert image is not None
        with pytest.raises(CannotRun, match=f"the image is for linux/{other}, and the engine for linux/"):
            imported(EnginePlace(Engine(tmp_path), image), "fine")
    finally:
        docker("rmi", "--force", name)


def waiting(reference: str, folder: Path) -> subprocess.Popen[bytes]:
    """A process of lockgen whose container runs a test that does not end."""
    program = (
        "import sys; from pathlib import Path\n"
        "from lockgen.io.containers import Engine\n"
        "from lockgen.proof.engine_place import EnginePlace\n"
        "from lockgen.proof.model import Checks\n"
        "engine = Engine(Path.cwd())\n"
        f"EnginePlace(engine, engine.image({reference!r})).run(Checks((), (('sleep', '600'),)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=folder, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not docker("ps", "--quiet", "--filter", f"label={LABEL}"):
        assert time.monotonic() < until, "the container did not start"
        time.sleep(0.1)
    return process


def wait_until_none_is_left() -> None:
    until = time.monotonic() + 30
    while containers():
        assert time.monotonic() < until, containers()
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_container_is_left_after_a_signal(reference: str, tmp_path: Path, number: signal.Signals) -> None:
    with waiting(reference, tmp_path) as process:
        process.send_signal(number)
        process.wait(30)
        wait_until_none_is_left()


def test_no_container_is_left_if_nothing_can_clean_up(reference: str, tmp_path: Path) -> None:
    """lockgen, its watchdog and docker are killed at once."""
    with waiting(reference, tmp_path) as process:
        family = subprocess.run(
            ["pgrep", "--parent", str(process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        for each in (process.pid, *map(int, family)):
            os.kill(each, signal.SIGKILL)
        process.wait(30)
        wait_until_none_is_left()


def test_the_next_run_removes_what_was_never_started(place: EnginePlace, tmp_path: Path) -> None:
    """As if docker had been killed between creating and starting a container."""
    with subprocess.Popen(["sleep", "600"]) as other:
        ended = _created(place, tmp_path, other.pid)
        other.kill()
    with subprocess.Popen(["sleep", "600"]) as other:
        alive = _created(place, tmp_path, other.pid)
        elsewhere = _created(place, tmp_path, None)
        assert imported(place, "fine").status == "yes"
        left = docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}").split()
        other.kill()
    docker("rm", *left)
    assert ended not in left
    assert sorted(left) == sorted([alive, elsewhere])
    forgotten = docker("create", "--label", f"{LABEL}=other-boot 1 2 3 {int(time.time()) - 7200}", PYTHON)
    assert imported(place, "fine").status == "yes"
    assert forgotten not in docker("ps", "--all", "--quiet", "--no-trunc")


def _created(place: EnginePlace, folder: Path, process: int | None) -> str:
    """A container that is not started, by ``process`` of this machine, or by a process of another one."""
    now = int(time.time())
    owner = f"other-boot 1 2 3 {now}"
    if process is not None:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        started = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
        owner = f"{boot} {os.stat('/proc/self/ns/pid').st_ino} {process} {started} {now}"
    return docker("create", "--label", f"{LABEL}={owner}", place.image.identity)
