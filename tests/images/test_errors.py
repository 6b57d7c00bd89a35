"""Rare failures of the Docker engine, played back by a fake `docker`: a real engine does not fail on demand."""

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
    echo '{output}' >&2
    exit 1
fi
echo '{{"vertexes": []}}' >&2
"""


class RecordedProgress:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def step(self, text: str) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


def bake(folder: Path, monkeypatch: pytest.MonkeyPatch, failures: int, error: str) -> list[str]:
    """Bake with a docker that fails ``failures`` times with ``error``; return the notes."""
    vertex = {"digest": "sha256:1", "name": "[base-cpu internal] load build context", "error": error}
    vertex |= {"started": "2026-01-01T00:00:00Z", "completed": "2026-01-01T00:00:01Z"}
    program = folder / "bin/docker"
    program.parent.mkdir()
    program.write_text(FAKE.format(failures=failures, output=json.dumps({"vertexes": [vertex]})))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    environment = dict(os.environ)
    recorded = RecordedProgress()
    Docker(folder).bake([], [], environment, {"base-cpu": "base:cpu"}, recorded)
    return recorded.notes


def calls(folder: Path) -> int:
    return len((folder / "calls").read_text().splitlines())


def test_a_build_is_retried_if_buildkit_refuses_its_own_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = bake(tmp_path, monkeypatch, 1, REFUSED)
    assert calls(tmp_path) == 2
    assert notes[-1] == "BuildKit refused an internal connection; retrying the build"


def test_a_build_is_retried_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolFailed, match="base:cpu: sending files failed") as failed:
        bake(tmp_path, monkeypatch, 9, REFUSED)
    assert "only one connection allowed" in (failed.value.faults[0].reason or "")
    assert calls(tmp_path) == 2


def test_other_failures_are_not_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolFailed, match="sending files failed"):
        bake(tmp_path, monkeypatch, 9, "no such file or directory")
    assert calls(tmp_path) == 1
