"""What an engine does now and then, by a `docker` that says it: the engine itself cannot be brought to do it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lockgen.errors import ToolFailed
from lockgen.images.docker import Docker

REFUSED = 'connection error: desc = "transport: Error while dialing: only one connection allowed"'
FAKE = """\
#!/bin/sh
echo "$@" >>calls
if [ "$(wc -l <calls)" -le {failures} ]; then
    echo '{said}' >&2
    exit 1
fi
echo '{{"vertexes": []}}' >&2
"""


class Heard:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, text: str) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


def bake(folder: Path, monkeypatch: pytest.MonkeyPatch, failures: int, error: str) -> list[str]:
    """Bakes with a docker that fails ``failures`` times with ``error``; the notes of it."""
    vertex = {"digest": "sha256:1", "name": "[base-cpu internal] load build context", "error": error}
    vertex |= {"started": "2026-01-01T00:00:00Z", "completed": "2026-01-01T00:00:01Z"}
    program = folder / "bin/docker"
    program.parent.mkdir()
    program.write_text(FAKE.format(failures=failures, said=json.dumps({"vertexes": [vertex]})))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    environment = dict(os.environ)
    heard = Heard()
    Docker(folder).bake([], [], environment, {"base-cpu": "base:cpu"}, heard)
    return heard.notes


def calls(folder: Path) -> int:
    return len((folder / "calls").read_text().splitlines())


def test_a_connection_that_the_engine_refuses_itself_is_tried_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = bake(tmp_path, monkeypatch, 1, REFUSED)
    assert calls(tmp_path) == 2
    assert notes[-1] == "the engine refused a connection of its own: building once more"


def test_but_once_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolFailed, match="base:cpu: sending files failed") as failed:
        bake(tmp_path, monkeypatch, 9, REFUSED)
    assert "only one connection allowed" in (failed.value.faults[0].reason or "")
    assert calls(tmp_path) == 2


def test_and_nothing_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolFailed, match="sending files failed"):
        bake(tmp_path, monkeypatch, 9, "no such file or directory")
    assert calls(tmp_path) == 1
