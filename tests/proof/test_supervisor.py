"""The supervisor as a program of its own: limits of time, memory and output, and what commands leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lockgen.proof import supervisor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the supervisor reads /proc")


FUTURE = "from __future__ import annotations"


def supervised(folder: Path, *programs: str, seconds: float = 20, memory: int = 4_000_000_000) -> list[dict[str, Any]]:
    """Run each of ``programs``, Python code, as a step."""
    steps = [
        {
            "argv": [sys.executable, "-c", program],
            "cwd": str(folder),
            "env": {"PATH": os.environ["PATH"]},
            "seconds": seconds,
            "events": str(folder / "events"),
        }
        for program in programs
    ]
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"format": 1, "memory": memory, "output": 1_000_000, "alone": False, "steps": steps}))
    command = [sys.executable, "-I", "-S", supervisor.__file__, str(plan)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["format"] == 1
    return list(report["steps"])


def is_running(folder: Path) -> bool:
    """Whether the process that wrote its number to the file `pid` is running."""
    stat = Path(f"/proc/{(folder / 'pid').read_text()}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_each_step_has_its_code_output_and_events(tmp_path: Path) -> None:
    first, second = supervised(
        tmp_path,
        "import sys; print('out'); print('err', file=sys.stderr); open('events', 'w').write('{}')",
        "raise SystemExit(3)",
    )
    assert (first["code"], first["stopped"], first["stdout"], first["stderr"]) == (0, "", "out\n", "err\n")
    assert first["events"] == "{}"
    assert first["memory"] > 1_000_000
    assert second["code"] == 3


def test_a_signal_is_a_negative_code(tmp_path: Path) -> None:
    (step,) = supervised(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert step["code"] == -11


def test_a_command_that_does_not_end_is_stopped_with_its_children(tmp_path: Path) -> None:
    child = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], start_new_session=True)"
    (step,) = supervised(tmp_path, program, seconds=3)
    assert step["stopped"] == "time"
    assert not is_running(tmp_path)


def test_a_process_in_the_background_ends_with_its_step(tmp_path: Path) -> None:
    child = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    program = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        "while not os.path.exists('pid') or not open('pid').read(): time.sleep(0.01)\n"
    )
    started = time.monotonic()
    (step,) = supervised(tmp_path, program)
    assert (step["code"], step["stopped"]) == (0, "")
    assert not is_running(tmp_path)
    assert time.monotonic() - started < 60, "it waited for the process in the background"


def test_a_command_that_takes_too_much_memory_is_stopped(tmp_path: Path) -> None:
    program = (
        "import time\nheld = bytearray(400_000_000)\nfor at in range(0, len(held), 4096): held[at] = 1\ntime.sleep(60)"
    )
    (step,) = supervised(tmp_path, program, memory=200_000_000)
    assert step["stopped"] == "memory"
    assert step["memory"] > 200_000_000


def test_a_command_that_writes_without_end_is_stopped_and_its_ends_are_kept(tmp_path: Path) -> None:
    (step,) = supervised(tmp_path, "print('first')\nwhile True: print('x' * 1000)")
    assert step["stopped"] == "output"
    assert step["stdout"].startswith("first\n")
    assert "bytes left out]" in step["stdout"]
    assert len(step["stdout"]) < supervisor.MOST_KEPT + 1000


def from_stdin(folder: Path, program: str) -> subprocess.Popen[bytes]:
    """A supervisor without a file, as in a container. Its stdin is open."""
    path = folder / "program.py"
    step = {"argv": [sys.executable, str(path)], "cwd": str(folder), "env": {}, "seconds": 60}
    plan = {"format": 1, "memory": 10**9, "output": 10**6, "alone": False, "steps": [step]}
    line = json.dumps({"files": {str(path): program}, "plan": plan})
    command = [sys.executable, "-I", "-S", "-c", supervisor.source(), "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()
    return process


def test_the_plan_and_its_files_may_come_from_stdin(tmp_path: Path) -> None:
    with from_stdin(tmp_path, "print('it ran')") as process:
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
        assert process.wait(20) == 0
    assert [step["stdout"] for step in report["steps"]] == ["it ran\n"]


def test_it_ends_when_its_caller_does(tmp_path: Path) -> None:
    with from_stdin(tmp_path, "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(50)") as process:
        assert process.stdin is not None
        try:
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
                time.sleep(0.05)
            process.stdin.close()
            assert process.wait(20) == 1
        finally:
            # In a container it ends with the first process.
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_what_a_step_leaves_is_not_in_the_way_of_the_next(tmp_path: Path) -> None:
    """The supervisor adopts orphans, as the first process of a container does."""
    orphan = "import subprocess, sys\nfor _ in range(30): subprocess.Popen([sys.executable, '-c', ''])\n"
    count = (
        "import os\n"
        "zombies = 0\n"
        "for name in filter(str.isdigit, os.listdir('/proc')):\n"
        "    try:\n"
        "        state, parent = open(f'/proc/{name}/stat').read().rpartition(')')[2].split()[:2]\n"
        "    except OSError:\n"
        "        continue\n"
        "    zombies += (state, parent) == ('Z', str(os.getppid()))\n"
        "print(zombies)"
    )
    prctl = "import ctypes; ctypes.CDLL(None).prctl(36, 1)\n"  # PR_SET_CHILD_SUBREAPER
    steps = [
        {"argv": [sys.executable, "-c", program], "cwd": str(tmp_path), "env": {}, "seconds": 60}
        for program in (orphan, count)
    ]
    plan = {"format": 1, "memory": 10**9, "output": 10**6, "alone": False, "steps": steps}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, "-I", "-S", "-c", prctl + supervisor.source().replace(FUTURE, ""), "plan.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True)
    first, second = json.loads(done.stdout)["steps"]
    assert (first["code"], first["stopped"], second["stdout"]) == (0, "", "0\n")


def test_a_program_that_does_not_exist_is_a_failed_step(tmp_path: Path) -> None:
    plan = {
        "format": 1,
        "memory": 10**9,
        "output": 10**6,
        "alone": False,
        "steps": [{"argv": ["no-such-program"], "cwd": str(tmp_path), "env": {"PATH": "/bin"}, "seconds": 5}],
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, supervisor.__file__, str(tmp_path / "plan.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    (step,) = json.loads(done.stdout)["steps"]
    assert (step["code"], step["stderr"]) == (127, "no-such-program: No such file or directory")
