"""`lockgen bump` on small families with real uv: what moves, what stays, and that nothing is half done."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from support.families import SMALL, write_record
from support.index import LocalIndex
from support.project import Project

FAMILY = """\
[family]
name = "voices"
python = "3.11"
exclude-newer = 2025-06-01T00:00:00Z

[variants.cpu]
from = "python:3.11-slim"

[pins]                       # what everybody agreed on
numpy = "1.0"                # old, but known
"speech.kit" = '1.0'
# scipy follows numpy.
scipy = { version = "1.0" }

[common]
packages = ["numpy"]

[bases.base]

[stages.asr]
from = "base"
packages = ["speech.kit", "loud"]

[stages.vad]
from = "base"
packages = ["scipy"]
"""


@pytest.fixture
def voices(index: LocalIndex, project: Project) -> Project:
    """speech-kit 2.0 wants numpy 2, scipy 1.0 an older one; 3.0 is numpy's newest, with releases nobody may take."""
    for version in ("1.0", "1.5", "2.0", "3.0", "4.0rc1"):
        index.add("numpy", version)
    index.add("numpy", "5.0", yanked=True)
    index.add("numpy", "6.0", uploaded="2025-07-01T00:00:00Z")
    index.add("numpy", "7.0", tag="cp312-cp312-win_amd64")
    index.add("scipy", "1.0", ["numpy<2"])
    index.add("scipy", "2.0", ["numpy>=2,<3"])
    index.add("speech-kit", "1.0")
    index.add("speech-kit", "2.0", ["numpy>=2"])
    index.add("loud", "1.0")
    project.write(FAMILY)
    project.ok("resolve")
    index.add("loud", "2.0")
    return project


def moved(project: Project, *arguments: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(project.ok("bump", "--json", *arguments).out)
    return data


def moves(data: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {move["name"]: (move["from"], move["to"]) for move in data["moves"]}


def text(project: Project) -> str:
    return (project.root / "versions.toml").read_text()


def test_one_version_and_nothing_else(voices: Project) -> None:
    data = moved(voices, "numpy==1.5")
    assert moves(data) == {"numpy": ("1.0", "1.5")}
    assert text(voices) == FAMILY.replace('numpy = "1.0" ', 'numpy = "1.5" ')
    assert [(p["name"], p["from"], p["to"]) for p in data["changes"]["packages"]] == [("numpy", "1.0", "1.5")]
    assert {size["image"] for size in data["sizes"]} == {"asr:cpu", "base:cpu", "vad:cpu"}
    assert all(size["before"]["download"] and size["after"]["download"] for size in data["sizes"])
    voices.ok("check")
    voices.ok("resolve", "--check")


def test_the_newest_that_is_allowed(voices: Project) -> None:
    """scipy 1.0 holds numpy below 2; no yanked release, no pre-release, none from after the cut-off or for others."""
    ran = voices.ok("bump", "numpy")
    assert "numpy  1.0 -> 1.5  pins.numpy" in ran.out
    assert "download before" in ran.out
    again = voices.ok("bump", "numpy").out
    assert again == "numpy 1.5 stays: 3.0 does not fit: scipy 1.0 needs numpy<2, and numpy is 3.0\n"


def test_together_what_moves_together(voices: Project) -> None:
    data = moved(voices, "scipy", "numpy", "speech_kit")
    assert moves(data) == {"scipy": ("1.0", "2.0"), "numpy": ("1.0", "2.0"), "speech-kit": ("1.0", "2.0")}
    changed = FAMILY.replace('numpy = "1.0"', 'numpy = "2.0"').replace("'1.0'", "'2.0'")
    assert text(voices) == changed.replace('version = "1.0"', 'version = "2.0"')
    voices.ok("check")


def test_no_solution_explains_and_changes_nothing(voices: Project) -> None:
    before = voices.tree
    ran = voices.run("bump", "speech-kit==2.0")
    assert ran.code == 3
    assert "there is no solution with speech-kit 2.0" in ran.err
    assert "speech-kit 2.0, asked by asr, needs numpy>=2; [pins] line 10 holds numpy at 1.0" in ran.err
    assert voices.tree == before
    assert voices.run("bump", "numpy==9.9").code == 3
    assert voices.tree == before


def test_a_dry_run_shows_all_and_writes_nothing(voices: Project) -> None:
    before = voices.tree
    shown = moved(voices, "--dry-run", "numpy")
    assert voices.tree == before
    done = moved(voices, "numpy")
    assert {**shown, "dry-run": False} == done
    assert "locks/lock.json" in done["files"]


def test_what_has_no_pin_is_taken_anew(voices: Project) -> None:
    data = moved(voices, "loud")
    assert data["opened"] == ["loud"]
    assert [(p["name"], p["to"]) for p in data["changes"]["packages"]] == [("loud", "2.0")]
    assert text(voices) == FAMILY


def test_a_version_of_what_has_no_pin(voices: Project) -> None:
    ran = voices.run("bump", "loud==2.0")
    assert ran.code == 2
    assert "loud has no pin that could become 2.0" in ran.err
    assert "--add-pin" in ran.err
    moved(voices, "--add-pin", "loud==2.0")
    pinned = 'scipy = { version = "1.0" }\nloud = "2.0"\n'
    assert text(voices) == FAMILY.replace('scipy = { version = "1.0" }\n', pinned)
    voices.ok("check")


def test_what_is_held_moves_only_by_its_version(voices: Project) -> None:
    voices.write(FAMILY.replace('numpy = "1.0"', 'numpy = { version = "1.0", held = true }'))
    voices.ok("resolve")
    ran = voices.run("bump", "numpy")
    assert ran.code == 2
    assert "numpy 1.0 is held" in ran.err
    moved(voices, "numpy==1.5")
    assert tomllib.loads(text(voices))["pins"]["numpy"] == {"version": "1.5", "held": True}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nupmy",), "nothing is pinned or locked as 'nupmy'"),
        (("numpy=1.5",), "'numpy=1.5' is neither"),
        (("numpy>=1.5",), "'numpy>=1.5' is neither"),
        (("numpy==1.5", "numpy==2.0"), "numpy is named twice"),
        (("numpy", "--variant", "gpu"), "there is no variant 'gpu'"),
        (("numpy", "--offline", "--live"), "exclude each other"),
    ],
)
def test_what_nobody_can_do(voices: Project, words: tuple[str, ...], said: str) -> None:
    before = voices.tree
    ran = voices.run("bump", *words)
    assert ran.code == 2
    assert said in ran.err
    assert voices.tree == before


def test_a_pin_that_holds_for_all_is_no_variants_own(small: Project) -> None:
    ran = small.run("bump", "numpy", "--variant", "cpu")
    assert ran.code == 2
    assert "cpu has no pin of its own of numpy" in ran.err


CUBLAS = 'nvidia-cublas==12.1 ; platform_system == "Linux"'
TORCH = SMALL.replace(
    'pins = { torch = "2.5.1+cu121" }', 'pins = { torch = "2.4.1+cu121", torchaudio = "2.4.1+cu121" }  # the lead'
).replace('pins = { torch = "2.5.1+cpu" }', "pins = { torch = '2.4.1+cpu' }")


def add_torch(project: Project, index: LocalIndex, newest: str = "2.6.0") -> None:
    """cu121 ends with 2.5.1, as it does; the cpu index and the default one go on."""
    cuda = [("torch", f"{v}+cu121", ["filelock", CUBLAS]) for v in ("2.4.1", "2.5.0", "2.5.1")]
    cuda += [("torchaudio", f"{v}+cu121", [f"torch=={v}"]) for v in ("2.4.1", "2.5.0", "2.5.1")]
    # Another accelerator, on the same page: PEP 440 sorts it above.
    cuda += [("torch", "2.5.1+cu124", ["filelock"]), ("torchaudio", "2.5.1+cu124", ["torch==2.5.1"])]
    write_record(project.root, "cu121", cuda)
    write_record(
        project.root, "cpu", [("torch", f"{v}+cpu", ["filelock"]) for v in ("2.4.1", "2.5.0", "2.5.1", newest)]
    )
    project.write(TORCH)
    project.ok("resolve")


def test_torch_moves_as_one_and_keeps_its_accelerator(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    data = moved(small, "torchaudio")
    assert {(m["name"], m["from"], m["to"]) for m in data["moves"]} == {
        ("torch", "2.4.1+cu121", "2.5.1+cu121"),
        ("torchaudio", "2.4.1+cu121", "2.5.1+cu121"),
        ("torch", "2.4.1+cpu", "2.5.1+cpu"),
    }
    assert text(small) == TORCH.replace("2.4.1", "2.5.1")
    small.ok("check")
    assert "torch 2.5.1 stays: nothing newer is allowed" in small.ok("bump", "torch").out


def test_a_release_that_an_index_does_not_have_is_none(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    before = small.tree
    ran = small.run("bump", "torch==2.6.0")
    assert ran.code == 3
    assert "there is no solution with torch 2.6.0+cu121" in ran.err
    assert "the newest torch on index cu121 is" in ran.err
    assert small.tree == before


def test_another_accelerator_is_no_newer_version(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    ran = small.run("bump", "torch==2.5.1+cu124")
    assert ran.code == 2
    assert "--variant cuda=cu124" in ran.err


def test_one_variant_by_itself(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    data = moved(small, "torch", "--variant", "cpu")
    assert [(m["path"], m["to"]) for m in data["moves"]] == [(["variants", "cpu", "pins", "torch"], "2.6.0+cpu")]


def test_a_torch_without_a_known_partner_is_not_taken(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    cuda = [("torch", "2.4.1+cu121", ["filelock"]), ("torchaudio", "2.4.1+cu121", ["torch==2.4.1"])]
    cuda += [("torch", "9.0.0+cu121", ["filelock"]), ("torchaudio", "9.0.0+cu121", [])]
    write_record(small.root, "cu121", cuda)
    write_record(small.root, "cpu", [("torch", f"{v}+cpu", ["filelock"]) for v in ("2.4.1", "9.0.0")])
    assert "stays: nothing newer is allowed" in small.ok("bump", "torch").out
    ran = small.run("bump", "torch==9.0.0")
    assert ran.code == 2
    assert "no metadata says which torchaudio goes with torch 9.0.0" in ran.err
    data = moved(small, "torch==9.0.0", "torchaudio==9.0.0")
    assert {m["to"] for m in data["moves"]} == {"9.0.0+cu121", "9.0.0+cpu"}
