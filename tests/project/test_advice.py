"""Every command of lockgen that a text of the code names exists, with its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lockgen.cli import cli

PACKAGE = Path(__file__).parent.parent.parent / "lockgen"
# In backquotes, or after the words with which a hint gives a command.
_NAMED = re.compile(
    r"`lockgen (?P<quoted>[^`]+)`|(?:run|see|with|it|:|then|or) lockgen (?P<bare>(?:index )?[a-z]+(?: --?[a-z-]+)*)"
)
# Words that follow the name of the program, where it is not a command.
_PROSE = {
    "again",
    "in",
    "with",
    "needs",
    "never",
    "does",
    "itself",
    "locks",
    "wrote",
    "resolves",
    "writes",
    "would",
    "is",
    "builds",
    "creates",
    "recognizes",
}


def _texts() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "X" for part in node.values]
                yield str(path.relative_to(PACKAGE)), "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield str(path.relative_to(PACKAGE)), node.value


def _commands() -> set[str]:
    found: set[str] = set()
    for _, text in _texts():
        for match in _NAMED.finditer(" ".join(text.split())):
            words = match["quoted"] or match["bare"]
            if words.split()[0] not in _PROSE:
                found.add(words)
    return found


COMMANDS = sorted(_commands())


def test_some_are_found() -> None:
    assert len(COMMANDS) > 15
    assert "resolve" in COMMANDS


@pytest.mark.parametrize("words", COMMANDS)
def test_the_command_exists(words: str) -> None:
    command: click.Command = cli
    rest = words.split()
    while isinstance(command, click.Group):
        assert rest, words
        assert rest[0] in command.commands, words
        command = command.commands[rest.pop(0)]
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        if word.startswith("-"):
            assert word.partition("=")[0] in options, words
