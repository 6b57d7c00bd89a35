"""`lockgen bump` on small families with real uv: what moves, what stays, and that nothing is half done."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.families import SMALL, write_record
from support.index import LocalIndex
from support.index import serving as serving_index
from support.project import Project
from support.registry import LocalRegistry, serving

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


def newest_that_fits(project: Project, verb: str) -> str:
    """The newest speech-kit, as ``verb`` finds it; it is at 1.0."""
    if verb == "bump":
        return moves(moved(project, "speech-kit", "--dry-run")).get("speech-kit", ("1.0", "1.0"))[1]
    (row,) = [r for r in json.loads(project.ok("outdated", "--json").out)["pins"] if r["name"] == "speech-kit"]
    return str(row["fits"]["version"])


@pytest.mark.parametrize("verb", ["bump", "outdated"])
def test_what_the_cache_holds_of_last_week_is_no_refusal(voices: Project, index: LocalIndex, verb: str) -> None:
    """Without a cut-off the index may have got what a release needs since it was refused.

    The cache has all that a no takes: METADATA, and the page of a package that is in no lock, so nothing renews it.
    """
    index.add("brand", "1.0")
    index.add("speech-kit", "1.5", ["brand>=2"])
    voices.write(FAMILY.replace("exclude-newer = 2025-06-01T00:00:00Z\n", ""))
    voices.ok("resolve")
    assert newest_that_fits(voices, verb) == "1.0"
    index.add("brand", "2.0")
    assert newest_that_fits(voices, verb) == "1.5"


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


def test_the_cut_off_moves_too(voices: Project, index: LocalIndex) -> None:
    index.add("speech-kit", "1.5", uploaded="2025-07-01T00:00:00Z")
    assert "nothing newer" not in voices.ok("bump", "speech-kit").out  # 2.0 does not fit
    data = moved(voices, "--exclude-newer", "2025-08-01T02:00:00+02:00", "speech-kit")
    assert moves(data)["exclude-newer"] == ("2025-06-01T00:00:00Z", "2025-08-01T00:00:00Z")
    assert moves(data)["speech-kit"] == ("1.0", "1.5")
    assert "exclude-newer = 2025-08-01T00:00:00Z\n" in text(voices)
    voices.ok("check")


@pytest.mark.parametrize("when", ["tomorrow", "2025-08-01", "2025-08-01T00:00:00"])
def test_a_cut_off_that_is_no_time(voices: Project, when: str) -> None:
    assert "is no time" in voices.run("bump", "--exclude-newer", when, "numpy").err


def test_a_file_with_the_line_ends_of_windows(voices: Project) -> None:
    (voices.root / "versions.toml").write_bytes(FAMILY.replace("\n", "\r\n").encode())
    moved(voices, "--add-pin", "loud==2.0", "numpy==1.5")
    wanted = FAMILY.replace('numpy = "1.0"', 'numpy = "1.5"')
    wanted = wanted.replace('scipy = { version = "1.0" }\n', 'scipy = { version = "1.0" }\nloud = "2.0"\n')
    assert (voices.root / "versions.toml").read_bytes().decode() == wanted.replace("\n", "\r\n")


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
    assert "there is no solution with torch 2.6.0+" in ran.err
    assert "the newest torch on index cu121 is" in ran.err
    assert small.tree == before


def test_another_accelerator_is_no_newer_version(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    ran = small.run("bump", "torch==2.5.1+cu124")
    assert ran.code == 2
    assert "--variant cuda=cu124" in ran.err


def test_a_build_that_is_named_is_that_of_its_own_table(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    moved(small, "torch==2.5.1+cu121")
    assert text(small) == TORCH.replace("2.4.1", "2.5.1")


def test_a_release_that_does_not_build_is_passed_over(voices: Project, index: LocalIndex) -> None:
    """Nobody can tell whether it fits: that is told, and the next lower one taken."""
    for version in ("1.0", "1.1"):
        index.add("old-one", version, source=True)
    index.add("old-one", "1.2", source=True, builds=["there-is-no-such-backend"])
    family = FAMILY.replace('python = "3.11"', 'python = "3.11"\nbuild = ["old-one"]')
    family = family.replace('packages = ["scipy"]', 'packages = ["scipy", "old-one"]')
    voices.write(family.replace('scipy = { version = "1.0" }', 'scipy = "1.0"\nold-one = "1.0"'))
    voices.ok("resolve")
    assert moves(moved(voices, "old-one")) == {"old-one": ("1.0", "1.1")}
    ran = voices.run("bump", "old-one")
    assert ran.code == 4
    assert "which old-one the images of cpu can have is not known" in ran.err


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


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalRegistry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving(LocalRegistry()) as local:
        local.add("nvidia/cuda", "12.1.0-runtime-ubuntu22.04", "12.1.1-runtime-ubuntu22.04")
        local.add("nvidia/cuda", "12.4.0-runtime-ubuntu22.04", "12.4.1-runtime-ubuntu22.04", "12.4.1-base-ubuntu22.04")
        yield local


def add_accelerators(project: Project, registry: LocalRegistry, text: str = TORCH) -> str:
    """cu121 ends with 2.5.1; cu124 begins with 2.5.0 and goes on."""
    for label, versions in (("cu121", ("2.4.1", "2.5.1")), ("cu124", ("2.5.0", "2.6.0")), ("cpu", ("2.4.1", "2.6.0"))):
        torch = [("torch", f"{v}+{label}", ["filelock"]) for v in versions]
        write_record(project.root, label, torch + [("torchaudio", f"{v}+{label}", [f"torch=={v}"]) for v in versions])
    text = text.replace('"nvidia/cuda:', f'"{registry.host}/nvidia/cuda:')
    project.write(text)
    project.ok("resolve")
    return text


def test_another_accelerator_moves_index_and_base_image_too(small: Project, registry: LocalRegistry) -> None:
    before = add_accelerators(small, registry)
    data = moved(small, "torch", "--variant", "cuda=cu124")
    assert [(m["kind"], m["name"], m["to"]) for m in data["moves"]] == [
        ("index", "cu124", "https://index.example/whl/cu124"),
        ("index", "cuda", "cu124"),
        ("base", "cuda", f"{registry.host}/nvidia/cuda:12.4.1-runtime-ubuntu22.04"),
        ("pin", "torch", "2.6.0+cu124"),
        ("pin", "torchaudio", "2.6.0+cu124"),
    ]
    added = '\n[index.cu124]\nurl = "https://index.example/whl/cu124"\npackages = ["torch", "torchaudio"]\n'
    added += 'recorded = "locks/index/cu124"\n'
    after = before.replace('recorded = "locks/index/cu121"\n', f'recorded = "locks/index/cu121"\n{added}')
    after = after.replace('index = "cu121"', 'index = "cu124"').replace("cuda:12.1.0", "cuda:12.4.1")
    assert text(small) == after.replace("2.4.1+cu121", "2.6.0+cu124")
    small.ok("check")
    small.ok("resolve", "--check")


def test_an_accelerator_alone_keeps_the_version_of_torch(small: Project, registry: LocalRegistry) -> None:
    add_accelerators(small, registry, TORCH.replace("2.4.1+cu121", "2.5.1+cu121"))
    ran = small.run("bump", "--variant", "cu124")
    assert ran.code == 3  # cu124 has 2.5.0 and 2.6.0
    assert "torch 2.5.1+cu124" in ran.err
    write_record(small.root, "cu124", [("torch", "2.5.1+cu124", []), ("torchaudio", "2.5.1+cu124", ["torch==2.5.1"])])
    data = moved(small, "--variant", "cu124")
    assert [m["to"] for m in data["moves"] if m["kind"] == "pin"] == ["2.5.1+cu124", "2.5.1+cu124"]


def test_an_index_that_is_declared_goes_before_one_that_is_made_up(small: Project, registry: LocalRegistry) -> None:
    other = '[index.newer]\nurl = "https://mirror.example/cu124"\npackages = ["torch", "torchaudio"]\n'
    other += 'recorded = "locks/index/cu124"\n\n'
    add_accelerators(small, registry, TORCH.replace("[variants.cuda]", f"{other}[variants.cuda]"))
    data = moved(small, "torch==2.5.0", "--variant", "cuda=cu124")
    assert ("index", "newer") in [(m["kind"], m["to"]) for m in data["moves"]]
    assert "[index.cu124]" not in text(small)


def test_a_base_image_by_its_name(small: Project, registry: LocalRegistry) -> None:
    """No registry is asked; and base images move alone too."""
    add_accelerators(small, registry)
    registry.status = 500
    ran = small.run("bump", "torch", "--variant", "cuda=cu124")
    assert ran.code == 4
    assert "--base cuda=IMAGE" in ran.err
    moved(small, "torch", "--variant", "cuda=cu124", "--base", "cuda=nvidia/cuda:12.4.0-base-ubuntu22.04")
    assert 'from = "nvidia/cuda:12.4.0-base-ubuntu22.04"' in text(small)
    data = moved(small, "--base", "cpu=python:3.11.9-slim")
    assert [(m["kind"], m["from"], m["to"]) for m in data["moves"]] == [
        ("base", "python:3.11-slim", "python:3.11.9-slim")
    ]
    assert "docker/docker-bake.hcl" in data["files"]
    small.ok("check")


def test_the_newest_base_image_of_its_kind(small: Project, registry: LocalRegistry) -> None:
    """Within its CUDA; where a digest is pinned, the new one is."""
    old, new = "12.1.0-runtime-ubuntu22.04", "12.1.1-runtime-ubuntu22.04"
    add_accelerators(small, registry, TORCH.replace(old, f"{old}@{registry.digest('nvidia/cuda', old)}"))
    data = moved(small, "--base", "cuda")
    wanted = f"{registry.host}/nvidia/cuda:{new}@{registry.digest('nvidia/cuda', new)}"
    assert [(m["kind"], m["to"]) for m in data["moves"]] == [("base", wanted)]
    assert small.ok("bump", "--base", "cuda").out.startswith("nothing to move")
    registry.repositories["nvidia/cuda"][new] += b" "
    data = moved(small, "--base", "cuda")
    wanted = f"{registry.host}/nvidia/cuda:{new}@{registry.digest('nvidia/cuda', new)}"
    assert [m["to"] for m in data["moves"]] == [wanted]
    ran = small.run("bump", "--base", "cuda", "--offline")
    assert ran.code == 4
    assert "--base cuda=IMAGE" in ran.err


@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
def test_either_resolver_makes_the_lock(voices: Project, resolver: str) -> None:
    moved(voices, "numpy", "--resolver", resolver)
    assert text(voices) == FAMILY.replace('numpy = "1.0" ', 'numpy = "1.5" ')
    voices.ok("resolve", "--check")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("torch", "--variant", "cuda=cu12.4"), "'cu12.4' is no accelerator"),
        (("torch", "--variant", "cuda=cu128"), "there is no record of one for cu128"),
        (("torch", "--variant", "cuda=cpu"), "is for cu121, and cpu needs another image"),
        (("torch", "--variant", "cuda=cu124", "--base", "cuda=python:3.11@x"), "is not an image reference"),
        (("torch", "--variant", "cuda=cu124", "--base", "cuda=nvidia/cuda:12.8.0-base"), "is for cu128"),
        (("--base", "gpu=python:3.11"), "there is no variant 'gpu'"),
        (("--base", "cpu="), "says no image"),
        (("--base", "cuda", "--base", "cuda=python:3.11"), "is named twice"),
        ((), "nothing to move was named"),
    ],
)
def test_what_no_variant_can_have(small: Project, registry: LocalRegistry, words: tuple[str, ...], said: str) -> None:
    add_accelerators(small, registry)
    before = small.tree
    ran = small.run("bump", *words)
    assert ran.code == 2
    assert said in ran.err
    assert small.tree == before


def test_the_default_indexs_torch_keeps_its_accelerator_too(voices: Project, index: LocalIndex) -> None:
    """Which of its releases is built for what only the pair table knows: 2.4 for CUDA 12.1, 2.5 for 12.4."""
    for version in ("2.4.0", "2.4.1", "2.5.1"):
        index.add("torch", version)
        index.add("torchvision", f"0.{19 + (version == '2.5.1')}.{version[-1]}", [f"torch=={version}"])
    pins = 'numpy = "1.0"                # old, but known\ntorch = "2.4.0"\ntorchvision = "0.19.0"'
    family = FAMILY.replace('numpy = "1.0"                # old, but known', pins)
    voices.write(family.replace('packages = ["scipy"]', 'packages = ["scipy", "torch", "torchvision"]'))
    voices.ok("resolve")
    assert moves(moved(voices, "torch")) == {"torch": ("2.4.0", "2.4.1"), "torchvision": ("0.19.0", "0.19.1")}
    assert "torch 2.4.1 stays: nothing newer is allowed" in voices.ok("bump", "torchvision").out
    (row,) = [r for r in json.loads(voices.ok("outdated", "--json").out)["pins"] if r["name"] == "torch"]
    assert (row["newest"]["version"], row["newest-why"]) == ("2.5.1", "it is built for cu124")
    ran = voices.run("bump", "torch==2.5.1")
    assert ran.code == 2
    assert "torch 2.5.1 is a build for cu124, and torch 2.4.1 is not" in ran.err
    assert "--variant cpu=cu124" in ran.err
    assert moves(moved(voices, "--variant", "cpu=cu124"))["torchvision"] == ("0.19.1", "0.20.1")
    assert 'torch = "2.5.1"\n' in text(voices)


def test_a_pre_release_only_for_who_has_one(voices: Project, index: LocalIndex) -> None:
    index.add("speech-kit", "2.0rc1")
    index.add("speech-kit", "3.0b1")
    voices.write(FAMILY.replace("'1.0'", "'2.0rc1'"))
    voices.ok("resolve")
    assert moves(moved(voices, "speech-kit"))["speech-kit"] == ("2.0rc1", "3.0b1")


def test_a_variant_that_goes_its_own_way(voices: Project) -> None:
    legacy = '[variants.legacy]\nfrom = "python:3.11-slim"\npins = { numpy = "2.0" }\n\n[pins]'
    stages = FAMILY.replace('from = "base"\n', 'from = "base"\nvariants = ["cpu"]\n')
    family = stages.replace("[pins]", legacy, 1)
    voices.write(family)
    voices.ok("resolve")
    ran = voices.ok("bump", "numpy")
    assert "legacy keeps numpy 2.0, a pin of its own: --variant legacy moves it" in ran.err
    assert text(voices) == family.replace('numpy = "1.0" ', 'numpy = "1.5" ')
    moved(voices, "numpy", "--variant", "legacy")
    assert 'pins = { numpy = "3.0" }' in text(voices)
    voices.ok("check")


def test_variants_that_cannot_agree_on_the_newest_take_the_next(small: Project, index: LocalIndex) -> None:
    """either 2.0 fits each of them, but by another filelock: a package has one version in the family."""
    for version in ("1.0", "1.5"):
        index.add("either", version, extras=["gpu", "cpu"])
    needs = ["filelock<3.1 ; extra == 'gpu'", "filelock>=3.1 ; extra == 'cpu'"]
    index.add("either", "2.0", needs, extras=["gpu", "cpu"])
    images = '[stages.a]\nfrom = "base"\nvariants = ["cuda"]\npackages = ["either[gpu]"]\n\n'
    images += '[stages.b]\nfrom = "base"\nvariants = ["cpu"]\npackages = ["either[cpu]"]\n'
    family = SMALL.replace('numpy = "2.0.0"\n', 'numpy = "2.0.0"\neither = "1.0"\n').partition("[bases.ml]")[0]
    small.write(family + images)
    small.ok("resolve")
    assert moves(moved(small, "either")) == {"either": ("1.0", "1.5")}
    small.ok("check")
    before = small.tree
    ran = small.run("bump", "either==2.0")
    assert ran.code == 3
    assert "there is no solution with either 2.0" in ran.err
    assert "the images of cpu, cuda, which share one version of each package: 1 conflict" in ran.err, ran.err
    assert "filelock" in ran.err
    assert small.tree == before


def test_offline_takes_what_the_caches_know(voices: Project, index: LocalIndex) -> None:
    ran = voices.run("bump", "numpy", "--offline")
    assert ran.code == 4
    assert "which releases of numpy there are is not known" in ran.err
    voices.ok("bump", "numpy", "--dry-run")
    index.asked.clear()
    assert moves(moved(voices, "numpy", "--offline")) == {"numpy": ("1.0", "1.5")}
    assert index.asked == []


def test_before_there_is_a_lock(voices: Project) -> None:
    (voices.root / "locks/lock.json").unlink()
    data = moved(voices, "numpy==1.5")
    assert data["changes"]["first"]
    assert [size["before"] for size in data["sizes"]] == [None, None, None]
    voices.ok("check")


def test_what_is_so_already(voices: Project) -> None:
    before = voices.tree
    assert voices.ok("bump", "numpy==1.0").out == "nothing to move: everything that was named is so already\n"
    assert voices.tree == before


LIVE = """
[index.cu121]
url = "URL"
packages = ["torch"]
recorded = "locks/index/cu121"

[variants.cpu]
index = "cu121"
pins = { torch = "2.4.1+cu121" }
"""


def test_a_live_index_is_read_in_every_version(voices: Project, index: LocalIndex) -> None:
    index.add("filelock", "3.0.0")
    with serving_index(LocalIndex()) as cuda:
        for version in ("2.4.1", "2.5.1"):
            cuda.add("torch", f"{version}+cu121", ["filelock"], tag="cp311-cp311-linux_x86_64")
        family = FAMILY.replace("\n[variants.cpu]\n", LIVE.replace("URL", cuda.url))
        voices.write(family.replace('packages = ["scipy"]', 'packages = ["scipy", "torch"]'))
        write_record(voices.root, "cu121", [("torch", "2.4.1+cu121", ["filelock"])])
        assert "nothing newer is allowed" in voices.ok("bump", "torch").out
        assert moves(moved(voices, "torch", "--live")) == {"torch": ("2.4.1+cu121", "2.5.1+cu121")}
