"""A project's folder for a test, and lockgen run in it as a person would."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from lockgen.cli import guarded
from support.reader import Written, tree_of


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Project:
    """``run`` goes through the whole command line, in this process."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def write(self, text: str, path: str = "versions.toml") -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def run(self, *arguments: str) -> Ran:
        self.capsys.readouterr()
        code = guarded(["--project", str(self.root), *arguments])
        out, err = self.capsys.readouterr()
        return Ran(code, out, err)

    def ok(self, *arguments: str) -> Ran:
        ran = self.run(*arguments)
        assert ran.code == 0, ran.err + ran.out
        return ran

    @property
    def written(self) -> Written:
        return Written(self.tree)

    @property
    def tree(self) -> dict[str, bytes]:
        return tree_of(self.root)
