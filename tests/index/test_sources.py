"""Explicit indexes of a family: from the record, or from the index itself with only the files that may be chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.hand_server import Hand, Shelf, hand, simple_wheel

from lockgen.app import App
from lockgen.core.index import ExplicitIndex
from lockgen.errors import BadInput, ToolFailed
from lockgen.index.record_command import record
from lockgen.index.sources import explicit_indexes
from lockgen.io.http import Http
from lockgen.io.workspace import Folder
from lockgen.manifest.reader import parse_manifest

PINNED = "torch-2.5.1+cu121-cp311-cp311-linux_x86_64.whl"
AUDIO = [f"torchaudio-{version}+cu121-cp311-cp311-linux_x86_64.whl" for version in ("2.4.0", "2.5.1")]
NOT_CHOSEN = [
    "torch-2.4.0+cu121-cp311-cp311-linux_x86_64.whl",
    "torch-2.5.1+cu124-cp311-cp311-linux_x86_64.whl",
    "torch-2.5.1+cu121-cp312-cp312-linux_x86_64.whl",
    "torch-2.5.1+cu121-cp311-cp311-win_amd64.whl",
    "torch-2.5.1+cu121-cp311-cp311-linux_aarch64.whl",
]


class Silent:
    def step(self, text: str) -> None:
        assert text

    def note(self, text: str) -> None:
        raise AssertionError(text)


def write(root: Path, server: Hand, *, recorded: bool) -> None:
    (root / "versions.toml").write_text(
        f'[family]\nname = "small"\npython = "3.11"\n'
        f'[index.cu121]\nurl = "{server.url}/simple"\npackages = ["torch", "torchaudio"]\n'
        + ('recorded = "rec"\n' if recorded else "")
        + '[index.spare]\nurl = "https://index.example/simple"\npackages = ["xformers"]\n'
        '[variants.cuda]\nindex = "cu121"\nfrom = "ubuntu:22.04"\npins = { torch = "2.5.1+cu121" }\n'
        '[variants.cpu]\nfrom = "debian:12"\n[variants.idle]\nindex = "spare"\nfrom = "debian:12"\n'
        '[bases.base]\nvariants = ["cuda", "cpu"]\npackages = ["torch"]\n'
    )


def indexes(root: Path, *, live: bool = False, offline: bool = False) -> dict[str, ExplicitIndex]:
    manifest = parse_manifest((root / "versions.toml").read_bytes(), "versions.toml")
    return explicit_indexes(manifest, Folder(root), Http(), Silent(), live=live, offline=offline)


def shelf() -> Shelf:
    return Shelf({name: simple_wheel(name) for name in [PINNED, *AUDIO, *NOT_CHOSEN]})


def asked_files(server: Hand) -> set[str]:
    return {path.rpartition("/")[2].replace("%2B", "+") for path in server.paths if path.startswith("/files/")}


@pytest.mark.parametrize(("recorded", "live"), [(False, False), (False, True), (True, True)])
def test_only_files_that_may_be_chosen_are_read_from_a_live_index(recorded: bool, live: bool, tmp_path: Path) -> None:
    with hand(shelf().respond) as server:
        write(tmp_path, server, recorded=recorded)
        found = indexes(tmp_path, live=live)
    assert list(found) == ["cu121"]
    assert set(found["cu121"].metadata) == asked_files(server) == {PINNED, *AUDIO}


def test_a_record_is_used_without_the_network(tmp_path: Path) -> None:
    with hand(shelf().respond) as server:
        write(tmp_path, server, recorded=True)
        record(App.of(tmp_path, Silent()), "cu121", ())
        server.asked.clear()
        found = indexes(tmp_path, offline=True)
        assert server.asked == []
    assert PINNED in found["cu121"].metadata
    assert len(found["cu121"].metadata) == 7


def test_the_hint_for_a_missing_record_creates_it(tmp_path: Path) -> None:
    with hand(shelf().respond) as server:
        write(tmp_path, server, recorded=True)
        with pytest.raises(BadInput, match="index cu121 has no record in rec") as caught:
            indexes(tmp_path)
    assert "lockgen index record cu121" in str(caught.value.faults[0].hint)
    assert server.asked == []


@pytest.mark.parametrize(("recorded", "live"), [(False, False), (True, True)])
def test_offline_forbids_reading_a_live_index(recorded: bool, live: bool, tmp_path: Path) -> None:
    with hand(shelf().respond) as server:
        write(tmp_path, server, recorded=recorded)
        with pytest.raises(ToolFailed, match="--offline forbids"):
            indexes(tmp_path, live=live, offline=True)
    assert server.asked == []
