"""The command line as a process: exit codes, streams, signals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.families import SMALL
from support.index import LocalIndex
from support.project import Project
from support.signals import children_of, ignored_by, started

from lockgen.cli import cli, guarded
from lockgen.cli import index as index_group

COMMANDS = ["resolve", "check", "diff", "why", "schema", "index", "index record", "index measure", "index serve"]


def lockgen(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lockgen", *arguments]
    env = {**os.environ, **(environment or {})}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def command_line(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "lockgen", "-C", str(root), *arguments]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(project: Project, command: str) -> None:
    for flag in ("--help", "-h"):
        ran = project.run(*command.split(), flag)
        assert ran.code == 0
        assert ran.out.startswith("Usage: lockgen")
        assert ran.err == ""


@pytest.mark.parametrize(
    "wrong",
    [["resolv"], ["resolve", "--nope"], ["why"], ["resolve", "--resolver", "poetry"], ["-C", "/nowhere", "check"],
     ["index", "serve", "--port", "99999"], ["resolve", "--offline", "--live"]],
    ids=" ".join,
)  # fmt: skip
def test_wrong_use_is_bad_input(small: Project, wrong: list[str]) -> None:
    before = small.tree
    ran = small.run(*wrong)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err
    assert small.tree == before


def test_version_and_streams() -> None:
    done = lockgen("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("lockgen, version ")


def test_quiet_says_nothing_but_data(small: Project) -> None:
    ran = small.run("--quiet", "resolve", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["format"] == 1
    assert json.loads(small.ok("resolve", "--json").out)["files"] == []
    for command in (["check"], ["why", "numpy"]):
        assert json.loads(small.ok(*command, "--json").out)["format"] == 1


def test_the_schema_is_the_shipped_one(project: Project) -> None:
    import lockgen as package

    shipped = Path(package.__file__).parent / "manifest/versions.schema.json"
    assert project.ok("schema").out == shipped.read_text()


def test_a_reader_that_hangs_up_is_no_failure(small: Project) -> None:
    small.ok("resolve")
    with started(command_line(small.root, "why", "numpy")) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == ""
        assert child.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda x: str(x)
)
def test_a_signal_ends_everything_and_leaves_the_tree(
    small: Project, index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    """The index hangs, so uv is at work when the signal comes."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    asked, over = threading.Event(), threading.Event()

    def hang(path: str) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        over.wait(30)
        return 500, {}, b""

    monkeypatch.setattr(index, "respond", hang)
    before = small.tree
    with started(command_line(small.root, "resolve")) as child:
        assert asked.wait(30)
        child.send_signal(number)
        out, err = child.communicate(timeout=30)
    over.set()
    assert (child.returncode, out) == (code, ""), err
    assert "no file is half written" in err
    assert "Traceback" not in err
    assert small.tree == before
    assert not list(temporary.glob("lockgen-*")), "nothing temporary stays"


@pytest.mark.parametrize("ignored", [signal.SIGINT, signal.SIGHUP], ids=lambda x: str(x))
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(
    small: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch, ignored: signal.Signals
) -> None:
    """As in a background job (SIGINT) and under nohup (SIGHUP): resolve ends as if nothing had come."""
    asked, over = threading.Event(), threading.Event()
    respond = index.respond

    def waiting(path: str) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        over.wait(30)
        return respond(path)

    monkeypatch.setattr(index, "respond", waiting)
    with started(command_line(small.root, "resolve"), [ignored]) as child:
        assert asked.wait(30)
        assert ignored in ignored_by(child.pid)
        assert all(ignored in ignored_by(number) for number in children_of(child.pid))
        child.send_signal(ignored)
        time.sleep(0.2)
        over.set()
        _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    small.ok("check")


def test_sigterm_ends_what_ignores_the_keyboard(
    small: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(path: str) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        over.wait(30)
        return 500, {}, b""

    monkeypatch.setattr(index, "respond", hang)
    with started(command_line(small.root, "resolve"), [signal.SIGINT, signal.SIGHUP]) as child:
        assert asked.wait(30)
        child.terminate()
        _, err = child.communicate(timeout=30)
    over.set()
    assert child.returncode == 143, err


def test_a_bug_is_reported_as_one(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> int:
        raise RuntimeError("at https://robot:s3cr3t@index.example/simple")

    monkeypatch.setattr("lockgen.check.command.run", broken)
    ran = small.run("check")
    assert ran.code == 70
    assert "RuntimeError" in ran.err
    assert "this is a bug of lockgen" in ran.err
    assert "s3cr3t" not in ran.err


def on_a_terminal(root: Path, *arguments: str, environment: dict[str, str]) -> str:
    """The output of lockgen on stderr, which is a terminal."""
    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in {"CI", "NO_COLOR"}}
    command = command_line(root, *arguments)
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env={**env, **environment})
    os.close(theirs)
    output = b""
    while True:
        try:
            output += os.read(ours, 4096)
        except OSError:  # Linux: the other side is closed
            break
        if child.poll() is not None and not output:
            break
    os.close(ours)
    child.wait(timeout=30)
    return output.decode()


def test_progress_is_for_a_terminal_only(small: Project) -> None:
    shown = on_a_terminal(small.root, "resolve", environment={"TERM": "xterm-256color"})
    assert "resolving" in shown
    assert "\x1b[" in shown
    plain = on_a_terminal(small.root, "resolve", environment={"TERM": "xterm-256color", "CI": "1"})
    assert "\x1b[" not in plain
    assert "resolving" not in plain


def test_errors_have_no_colour_where_none_is_wanted(small: Project) -> None:
    small.write(SMALL.replace("[pins]", "[pin]"))
    terminal = {"TERM": "xterm-256color"}
    assert "\x1b[" in on_a_terminal(small.root, "resolve", environment=terminal)
    plain = on_a_terminal(small.root, "resolve", environment={**terminal, "NO_COLOR": "1"})
    assert "unknown key `pin`" in plain
    assert "\x1b[3" not in plain


def test_project_and_quiet_after_the_command(small: Project, tmp_path: Path) -> None:
    root, other = str(small.root), tmp_path / "other"
    other.mkdir()
    for arguments in (["-C", str(other), "resolve", "-C", root, "-q"], ["resolve", "--quiet", "--project", root]):
        assert guarded(arguments) == 0
        assert small.capsys.readouterr().err == ""
    assert guarded(["why", "numpy", "-C", str(other), "-C", root]) == 0
    assert guarded(["-C", root, "why", "-C", str(other), "numpy"]) == 2
    assert guarded(["index", "-C", str(other), "serve", "nothing", "-C", root]) == 2
    assert "index.nothing" in small.capsys.readouterr().err
    assert guarded(["check", "-C", "/nowhere"]) == 2


def test_every_command_takes_project_and_quiet() -> None:
    for command in [*cli.commands.values(), *index_group.commands.values()]:
        names = {name for parameter in command.params for name in parameter.opts}
        assert {"-C", "--project", "-q", "--quiet"} <= names


def test_progress_is_cleared_before_data(small: Project) -> None:
    """stdout and stderr are one terminal: each line of data begins at the left."""
    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in {"CI", "NO_COLOR"}} | {"TERM": "xterm-256color"}
    child = subprocess.Popen(command_line(small.root, "resolve"), stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # Linux: the other side is closed
            break
    os.close(ours)
    assert child.wait(timeout=30) == 0
    text = shown.decode()
    # The spinner hides the cursor, and shows it again once its line is cleared.
    data = text.index("docker/")
    assert "\x1b[?25l" in text[:data]
    assert text[:data].rindex("\x1b[?25h") > text[:data].rindex("\x1b[?25l"), "the spinner has ended before the data"
    assert "\x1b[2K" in text[:data]


def test_a_project_is_found_from_a_folder_below(
    small: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.ok("resolve")
    below = small.root / "some" / "folder"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert guarded(["check"]) == 0
    assert guarded(["why", "numpy"]) == 0
    small.capsys.readouterr()
    # Arguments are relative to the current folder.
    assert guarded(["sbom", "base:cpu", "--output", "bills"]) == 0
    assert (below / "bills" / "base-cpu.cdx.json").is_file()
    assert guarded(["diff", "../../locks/lock.json"]) == 0
    # -C is not searched above.
    assert guarded(["-C", ".", "check"]) == 2
    assert "versions.toml not found" in small.capsys.readouterr().err
    # A nearer file wins, whatever it is.
    (below / "versions.toml").symlink_to("nowhere")
    assert guarded(["check"]) != 0


def test_commands_without_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert guarded(["schema"]) == 0
    assert guarded(["pairs"]) == 0
    assert guarded(["check"]) == 2


# Sends the signal when the module is looked up, and then runs the command.
_INTERRUPT_IMPORT = """\
import runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
runpy.run_module("lockgen", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["lockgen.cli", "click", "lockgen.errors"])
def test_an_interrupt_during_imports_prints_no_traceback(module: str) -> None:
    command = [sys.executable, "-c", _INTERRUPT_IMPORT, module]
    with started(command) as child:
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (-signal.SIGINT, "", "")
