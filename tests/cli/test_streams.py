"""Broken streams and odd arguments: a reason and an exit code, never a traceback."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from support.commands import ALL, ARGUMENTS, commands
from support.project import Project

from lockgen.cli import guarded
from lockgen.index.server import RecordedIndexes, serving
from lockgen.io.output import install_streams


@pytest.fixture(autouse=True)
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine answers, so that no test waits for one."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


def lockgen(folder: Path, streams: str, *arguments: str) -> Done:
    """Run lockgen in ``folder``, in a child of this process; ``streams`` redirects as a shell does."""
    out, err = folder.parent / "out.txt", folder.parent / "err.txt"
    child = os.fork()
    if child == 0:  # pragma: no cover - measured by its effects
        code = 99
        try:
            os.chdir(folder)
            redirect(f"<{os.devnull} >{out} 2>{err} {streams}")
            install_streams()
            code = guarded(list(arguments))
            sys.stdout.flush()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return Done(os.waitstatus_to_exitcode(status), out.read_text(), err.read_text())


def redirect(streams: str) -> None:
    """Open or close the standard streams, and give Python what it has at its start then."""
    for word in streams.split():
        left, sign, target = re.fullmatch(r"(2?)([<>])(.+)", word).groups()  # type: ignore[union-attr]
        number = 0 if sign == "<" else int(left or 1)
        if target == "&-":
            os.close(number)
        else:
            opened = os.open(target, os.O_RDONLY if sign == "<" else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(opened, number)
            os.close(opened)
    # Like Python at its start: no stream for a closed descriptor.
    sys.stdout = None if ">&-" in streams.split() else open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = None if "2>&-" in streams.split() else open(2, "w", buffering=1, closefd=False)  # noqa: SIM115


@pytest.mark.parametrize("shell", [">/dev/full", ">&-"])
@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "lockgen")
def test_help_without_a_stdout(tmp_path: Path, path: tuple[str, ...], shell: str) -> None:
    done = lockgen(tmp_path, shell, *path, "--help")
    assert done.code == 4
    assert done.err.startswith("error: cannot write to stdout: ")
    assert len(done.err.splitlines()) <= 2, "one error, and its hint"


def test_every_command_without_a_stdout(small: Project) -> None:
    small.ok("resolve")
    (small.root / "osv").mkdir()
    assert ARGUMENTS.keys() == set(ALL)
    printing = 0
    for path, arguments in ARGUMENTS.items():
        usual = lockgen(small.root, "", *path, *arguments)
        for shell in (">/dev/full", ">&-"):
            broken = lockgen(small.root, shell, *path, *arguments)
            if usual.out:
                assert broken.code == 4, (path, broken)
                assert "error: cannot write to stdout: " in broken.err
            else:
                assert broken.code == usual.code, (path, broken)
            assert "Traceback" not in broken.err
        printing += bool(usual.out)
    assert printing >= 15
    small.ok("check")


def test_a_reader_that_has_left(small: Project) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for path in ALL:
        done = lockgen(small.root, f">/dev/fd/{writer}", *path, "--help")
        assert (done.code, done.err) == (0, ""), path
    os.close(writer)


@pytest.mark.parametrize("shell", ["2>/dev/full", "2>&-", "<&-", "<&- 2>&-"])
def test_messages_without_a_stderr_change_no_exit_code(small: Project, shell: str) -> None:
    assert lockgen(small.root, shell, "resolve").code == 0
    assert lockgen(small.root, shell, "why", "nothing").code == 2
    done = lockgen(small.root, shell, "why", "numpy")
    assert (done.code, done.err) == (0, "")
    assert "numpy" in done.out
    small.ok("check")


def test_a_closed_stream_is_not_the_next_file(small: Project) -> None:
    """The first file that is opened would get the number of stdout."""
    done = lockgen(small.root, ">&- 2>&- <&-", "resolve")
    assert done.code == 4
    small.ok("check")


def numbers() -> Iterator[tuple[tuple[str, ...], str]]:
    """Every option that takes a number, of every command."""
    for path, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and isinstance(parameter.type, click.IntRange | click.FloatRange):
                yield path, parameter.opts[0]


@pytest.mark.parametrize(
    "value", ["nan", "inf", "-inf", "-1", "1e999", "1e400", "99999999999999999999", "", "x", "9" * 5000]
)
def test_numbers_out_of_range(small: Project, value: str) -> None:
    found = list(numbers())
    assert len(found) > 15
    for path, option in found:
        command = next(command for name, command in commands() if name == path)
        needed = [
            "numpy" for parameter in command.params if isinstance(parameter, click.Argument) and parameter.required
        ]
        ran = small.run(*path, *needed, f"{option}={value}")
        assert (ran.code, ran.out) == (2, ""), (path, option, ran)
        assert "Error: " in ran.err


def test_zero_jobs(small: Project) -> None:
    for path, option in numbers():
        if option == "--jobs":
            assert small.run(*path, "--jobs", "0").code == 2


def test_a_port_that_is_taken(small: Project) -> None:
    with serving(RecordedIndexes({})) as (base, _):
        port = base.rpartition(":")[2]
        ran = small.run("index", "serve", "--port", port)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith(f"error: cannot listen on port {port} of 127.0.0.1: ")
    assert "hint: choose another --port" in ran.err


def test_a_port_of_a_listener_on_all_addresses(small: Project) -> None:
    with socket.create_server(("", 0)) as taken:
        ran = small.run("index", "serve", "--port", str(taken.getsockname()[1]))
    assert ran.code == 4


def test_arguments_that_are_not_utf_8(small: Project) -> None:
    odd = os.fsdecode(b"caf\xe9")
    for path, command in commands():
        for parameter in command.params:
            arguments = [odd] if isinstance(parameter, click.Argument) else [f"{parameter.opts[0]}={odd}"]
            ran = small.run(*path, *arguments)
            assert (ran.code, ran.out) == (2, ""), (path, arguments, ran)
            assert ran.err == "error: this argument is not valid UTF-8: " + repr(os.fsencode(arguments[0])) + "\n"


ODD = ["", "\n", "\x1b[31m", "$(id) é", "../..", "1" * 300, "https://["]


@pytest.mark.parametrize(
    "command",
    [["why"], ["size"], ["sbom"], ["diff"], ["index", "serve"], ["index", "record"],
     ["build", "--dry-run", "--registry"], ["build", "--dry-run", "--base"],
     ["bump", "--dry-run", "--offline", "--exclude-newer"]],
    ids=" ".join,
)  # fmt: skip
def test_odd_values(small: Project, command: list[str]) -> None:
    small.ok("resolve")
    before = small.tree
    for value in ODD:
        ran = small.run(*command, value)
        assert ran.code in {0, 2, 3, 4}, (value, ran)
        assert "Traceback" not in ran.err
    assert small.tree == before
