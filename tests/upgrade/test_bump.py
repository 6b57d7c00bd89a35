"""`lockgen bump` on small families with real uv: what moves, what stays, and that a failed bump changes nothing."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.families import SMALL, cpu_family, write_record
from support.index import LocalIndex
from support.index import serving as serving_index
from support.project import Project
from support.registry import LocalRegistry, serving

FAMILY = cpu_family(
    "voices",
    """\
[pins]                       # for all variants
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
""",
    settings="exclude-newer = 2025-06-01T00:00:00Z",
)


@pytest.fixture
def voices(index: LocalIndex, project: Project) -> Project:
    """speech-kit 2.0 needs numpy 2, scipy 1.0 an older one. numpy 3.0 is the latest release that is allowed."""
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


def bump(project: Project, *arguments: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(project.ok("bump", "--json", *arguments).out)
    return data


def moves(data: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {move["name"]: (move["from"], move["to"]) for move in data["moves"]}


def text(project: Project) -> str:
    return (project.root / "versions.toml").read_text()


def test_exact_version_changes_only_its_pin(voices: Project) -> None:
    data = bump(voices, "numpy==1.5")
    assert moves(data) == {"numpy": ("1.0", "1.5")}
    assert text(voices) == FAMILY.replace('numpy = "1.0" ', 'numpy = "1.5" ')
    assert [(p["name"], p["from"], p["to"]) for p in data["changes"]["packages"]] == [("numpy", "1.0", "1.5")]
    assert {size["image"] for size in data["sizes"]} == {"asr:cpu", "base:cpu", "vad:cpu"}
    assert all(size["before"]["download"] and size["after"]["download"] for size in data["sizes"])
    voices.ok("check")
    voices.ok("resolve", "--check")


def test_latest_allowed_version(voices: Project) -> None:
    """scipy 1.0 requires numpy<2. Yanked, pre-, too new and Windows releases of numpy do not count."""
    ran = voices.ok("bump", "numpy")
    assert "numpy  1.0 -> 1.5  pins.numpy" in ran.out
    assert "download before" in ran.out
    again = voices.ok("bump", "numpy").out
    assert again == "numpy stays at 1.5: 3.0 is not compatible: scipy 1.0 requires numpy<2, but numpy is 3.0\n"


def latest_fitting(project: Project, verb: str) -> str:
    """The latest compatible speech-kit that ``verb`` finds; the pin is at 1.0."""
    if verb == "bump":
        return moves(bump(project, "speech-kit", "--dry-run")).get("speech-kit", ("1.0", "1.0"))[1]
    (row,) = [r for r in json.loads(project.ok("outdated", "--json").out)["pins"] if r["name"] == "speech-kit"]
    return str(row["fits"]["version"])


@pytest.mark.parametrize("verb", ["bump", "outdated"])
def test_outdated_cache_does_not_rule_out_a_version(voices: Project, index: LocalIndex, verb: str) -> None:
    """Without a cut-off, a requirement that had no release may have one by now.

    The cache can answer the request: it has the METADATA, and the page of a package that no lock contains, which
    nothing else refreshes.
    """
    index.add("brand", "1.0")
    index.add("speech-kit", "1.5", ["brand>=2"])
    voices.write(FAMILY.replace("exclude-newer = 2025-06-01T00:00:00Z\n", ""))
    voices.ok("resolve")
    assert latest_fitting(voices, verb) == "1.0"
    index.add("brand", "2.0")
    assert latest_fitting(voices, verb) == "1.5"


def test_several_packages_change_together(voices: Project) -> None:
    data = bump(voices, "scipy", "numpy", "speech_kit")
    assert moves(data) == {"scipy": ("1.0", "2.0"), "numpy": ("1.0", "2.0"), "speech-kit": ("1.0", "2.0")}
    changed = FAMILY.replace('numpy = "1.0"', 'numpy = "2.0"').replace("'1.0'", "'2.0'")
    assert text(voices) == changed.replace('version = "1.0"', 'version = "2.0"')
    voices.ok("check")


def test_no_solution_explains_and_changes_nothing(voices: Project) -> None:
    before = voices.tree
    ran = voices.run("bump", "speech-kit==2.0")
    assert ran.code == 3
    assert "no solution found with speech-kit 2.0" in ran.err
    assert "speech-kit 2.0 (required by asr) requires numpy>=2; [pins] line 10 pins numpy to 1.0" in ran.err
    assert voices.tree == before
    assert voices.run("bump", "numpy==9.9").code == 3
    assert voices.tree == before


def test_dry_run_shows_the_result_and_writes_nothing(voices: Project) -> None:
    before = voices.tree
    shown = bump(voices, "--dry-run", "numpy")
    assert voices.tree == before
    done = bump(voices, "numpy")
    assert {**shown, "dry-run": False} == done
    assert "locks/lock.json" in done["files"]


def test_package_without_a_pin_is_upgraded(voices: Project) -> None:
    data = bump(voices, "loud")
    assert data["opened"] == ["loud"]
    assert [(p["name"], p["to"]) for p in data["changes"]["packages"]] == [("loud", "2.0")]
    assert text(voices) == FAMILY


def test_exact_version_without_a_pin_needs_add_pin(voices: Project) -> None:
    ran = voices.run("bump", "loud==2.0")
    assert ran.code == 2
    assert "loud has no pin that could change to 2.0" in ran.err
    assert "--add-pin" in ran.err
    bump(voices, "--add-pin", "loud==2.0")
    pinned = 'scipy = { version = "1.0" }\nloud = "2.0"\n'
    assert text(voices) == FAMILY.replace('scipy = { version = "1.0" }\n', pinned)
    voices.ok("check")


def test_held_pin_changes_only_to_a_named_version(voices: Project) -> None:
    voices.write(FAMILY.replace('numpy = "1.0"', 'numpy = { version = "1.0", held = true }'))
    voices.ok("resolve")
    ran = voices.run("bump", "numpy")
    assert ran.code == 2
    assert "numpy 1.0 is held" in ran.err
    bump(voices, "numpy==1.5")
    assert tomllib.loads(text(voices))["pins"]["numpy"] == {"version": "1.5", "held": True}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nupmy",), "no package named 'nupmy' is pinned or locked"),
        (("numpy=1.5",), "'numpy=1.5' is neither"),
        (("numpy>=1.5",), "'numpy>=1.5' is neither"),
        (("numpy==1.5", "numpy==2.0"), "numpy is named twice"),
        (("numpy", "--variant", "gpu"), "no variant with images is named 'gpu'"),
        (("numpy", "--offline", "--live"), "are mutually exclusive"),
    ],
)
def test_invalid_request_changes_nothing(voices: Project, words: tuple[str, ...], said: str) -> None:
    before = voices.tree
    ran = voices.run("bump", *words)
    assert ran.code == 2
    assert said in ran.err
    assert voices.tree == before


def test_cut_off_changes_with_the_pin(voices: Project, index: LocalIndex) -> None:
    index.add("speech-kit", "1.5", uploaded="2025-07-01T00:00:00Z")
    assert "no newer version" not in voices.ok("bump", "speech-kit").out  # 2.0 does not fit
    data = bump(voices, "--exclude-newer", "2025-08-01T02:00:00+02:00", "speech-kit")
    assert moves(data)["exclude-newer"] == ("2025-06-01T00:00:00Z", "2025-08-01T00:00:00Z")
    assert moves(data)["speech-kit"] == ("1.0", "1.5")
    assert "exclude-newer = 2025-08-01T00:00:00Z\n" in text(voices)
    voices.ok("check")


@pytest.mark.parametrize("when", ["tomorrow", "2025-08-01", "2025-08-01T00:00:00"])
def test_invalid_cut_off(voices: Project, when: str) -> None:
    assert "is not a valid timestamp" in voices.run("bump", "--exclude-newer", when, "numpy").err


def test_windows_line_endings_are_kept(voices: Project) -> None:
    (voices.root / "versions.toml").write_bytes(FAMILY.replace("\n", "\r\n").encode())
    bump(voices, "--add-pin", "loud==2.0", "numpy==1.5")
    wanted = FAMILY.replace('numpy = "1.0"', 'numpy = "1.5"')
    wanted = wanted.replace('scipy = { version = "1.0" }\n', 'scipy = { version = "1.0" }\nloud = "2.0"\n')
    assert (voices.root / "versions.toml").read_bytes().decode() == wanted.replace("\n", "\r\n")


def test_shared_pin_is_not_a_variants_own(small: Project) -> None:
    ran = small.run("bump", "numpy", "--variant", "cpu")
    assert ran.code == 2
    assert "[variants.cpu] has no pin of numpy" in ran.err


CUBLAS = 'nvidia-cublas==12.1 ; platform_system == "Linux"'
TORCH = SMALL.replace(
    'pins = { torch = "2.5.1+cu121" }', 'pins = { torch = "2.4.1+cu121", torchaudio = "2.4.1+cu121" }  # the lead'
).replace('pins = { torch = "2.5.1+cpu" }', "pins = { torch = '2.4.1+cpu' }")


def add_torch(project: Project, index: LocalIndex, newest: str = "2.6.0") -> None:
    """The cu121 index ends with 2.5.1, as the real one does; the cpu index and the default one go on."""
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


def test_torch_family_changes_together_and_keeps_its_accelerator(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    data = bump(small, "torchaudio")
    assert {(m["name"], m["from"], m["to"]) for m in data["moves"]} == {
        ("torch", "2.4.1+cu121", "2.5.1+cu121"),
        ("torchaudio", "2.4.1+cu121", "2.5.1+cu121"),
        ("torch", "2.4.1+cpu", "2.5.1+cpu"),
    }
    assert text(small) == TORCH.replace("2.4.1", "2.5.1")
    small.ok("check")
    stays = "torch stays at 2.5.1: no newer version is allowed; for cpu alone there is one"
    assert f"{stays}: lockgen bump torch --variant cpu" in small.ok("bump", "torch").out
    assert "--variant cuda" not in small.ok("bump", "torch").out
    assert bump(small, "torch", "--variant", "cpu")["moves"][0]["to"] == "2.6.0+cpu"


def test_release_that_an_index_lacks(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    before = small.tree
    ran = small.run("bump", "torch==2.6.0")
    assert ran.code == 3
    assert "no solution found with torch 2.6.0+" in ran.err
    assert "the newest torch on index cu121 is" in ran.err
    assert small.tree == before


def test_another_accelerator_is_not_an_upgrade(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    ran = small.run("bump", "torch==2.5.1+cu124")
    assert ran.code == 2
    assert "--variant cuda=cu124" in ran.err


def test_named_build_changes_each_table_to_its_own_build(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    bump(small, "torch==2.5.1+cu121")
    assert text(small) == TORCH.replace("2.4.1", "2.5.1")


def test_release_that_does_not_build_is_skipped(voices: Project, index: LocalIndex) -> None:
    """It is unknown whether it fits: this is reported, and the next lower release is tried."""
    for version in ("1.0", "1.1"):
        index.add("old-one", version, source=True)
    index.add("old-one", "1.2", source=True, builds=["there-is-no-such-backend"])
    family = FAMILY.replace('python = "3.11"', 'python = "3.11"\nbuild = ["old-one"]')
    family = family.replace('packages = ["scipy"]', 'packages = ["scipy", "old-one"]')
    voices.write(family.replace('scipy = { version = "1.0" }', 'scipy = "1.0"\nold-one = "1.0"'))
    voices.ok("resolve")
    assert moves(bump(voices, "old-one")) == {"old-one": ("1.0", "1.1")}
    ran = voices.run("bump", "old-one")
    assert ran.code == 4
    assert "the latest compatible old-one is unknown for the images of cpu" in ran.err


def test_single_variant(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    data = bump(small, "torch", "--variant", "cpu")
    assert [(m["path"], m["to"]) for m in data["moves"]] == [(["variants", "cpu", "pins", "torch"], "2.6.0+cpu")]


def test_torch_without_a_known_partner_is_not_chosen(small: Project, index: LocalIndex) -> None:
    add_torch(small, index)
    cuda = [("torch", "2.4.1+cu121", ["filelock"]), ("torchaudio", "2.4.1+cu121", ["torch==2.4.1"])]
    cuda += [("torch", "9.0.0+cu121", ["filelock"]), ("torchaudio", "9.0.0+cu121", [])]
    write_record(small.root, "cu121", cuda)
    write_record(small.root, "cpu", [("torch", f"{v}+cpu", ["filelock"]) for v in ("2.4.1", "9.0.0")])
    assert "torch stays at 2.4.1: no newer version is allowed" in small.ok("bump", "torch").out
    ran = small.run("bump", "torch==9.0.0")
    assert ran.code == 2
    assert "no metadata names the matching torchaudio for torch 9.0.0" in ran.err
    data = bump(small, "torch==9.0.0", "torchaudio==9.0.0")
    assert {m["to"] for m in data["moves"]} == {"9.0.0+cu121", "9.0.0+cpu"}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalRegistry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving(LocalRegistry()) as local:
        local.add("nvidia/cuda", "12.1.0-runtime-ubuntu22.04", "12.1.1-runtime-ubuntu22.04")
        local.add("nvidia/cuda", "12.4.0-runtime-ubuntu22.04", "12.4.1-runtime-ubuntu22.04", "12.4.1-base-ubuntu22.04")
        yield local


def add_accelerators(project: Project, registry: LocalRegistry, text: str = TORCH) -> str:
    """The cu121 index ends with 2.5.1; the cu124 index begins with 2.5.0 and goes on."""
    for label, versions in (("cu121", ("2.4.1", "2.5.1")), ("cu124", ("2.5.0", "2.6.0")), ("cpu", ("2.4.1", "2.6.0"))):
        torch = [("torch", f"{v}+{label}", ["filelock"]) for v in versions]
        write_record(project.root, label, torch + [("torchaudio", f"{v}+{label}", [f"torch=={v}"]) for v in versions])
    text = text.replace('"nvidia/cuda:', f'"{registry.host}/nvidia/cuda:')
    project.write(text)
    project.ok("resolve")
    return text


def test_another_accelerator_changes_index_and_base_image(small: Project, registry: LocalRegistry) -> None:
    before = add_accelerators(small, registry)
    data = bump(small, "torch", "--variant", "cuda=cu124")
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


def test_accelerator_alone_keeps_the_version_of_torch(small: Project, registry: LocalRegistry) -> None:
    add_accelerators(small, registry, TORCH.replace("2.4.1+cu121", "2.5.1+cu121"))
    ran = small.run("bump", "--variant", "cu124")
    assert ran.code == 3  # cu124 has 2.5.0 and 2.6.0
    assert "torch 2.5.1+cu124" in ran.err
    write_record(small.root, "cu124", [("torch", "2.5.1+cu124", []), ("torchaudio", "2.5.1+cu124", ["torch==2.5.1"])])
    data = bump(small, "--variant", "cu124")
    assert [m["to"] for m in data["moves"] if m["kind"] == "pin"] == ["2.5.1+cu124", "2.5.1+cu124"]


def test_declared_index_is_preferred_to_a_new_one(small: Project, registry: LocalRegistry) -> None:
    other = '[index.newer]\nurl = "https://mirror.example/cu124"\npackages = ["torch", "torchaudio"]\n'
    other += 'recorded = "locks/index/cu124"\n\n'
    add_accelerators(small, registry, TORCH.replace("[variants.cuda]", f"{other}[variants.cuda]"))
    data = bump(small, "torch==2.5.0", "--variant", "cuda=cu124")
    assert ("index", "newer") in [(m["kind"], m["to"]) for m in data["moves"]]
    assert "[index.cu124]" not in text(small)


def test_named_base_image(small: Project, registry: LocalRegistry) -> None:
    """It needs no registry, and base images can change without pins."""
    add_accelerators(small, registry)
    registry.status = 500
    ran = small.run("bump", "torch", "--variant", "cuda=cu124")
    assert ran.code == 4
    assert "--base cuda=IMAGE" in ran.err
    bump(small, "torch", "--variant", "cuda=cu124", "--base", "cuda=nvidia/cuda:12.4.0-base-ubuntu22.04")
    assert 'from = "nvidia/cuda:12.4.0-base-ubuntu22.04"' in text(small)
    data = bump(small, "--base", "cpu=python:3.11.9-slim")
    assert [(m["kind"], m["from"], m["to"]) for m in data["moves"]] == [
        ("base", "python:3.11-slim", "python:3.11.9-slim")
    ]
    assert "docker/docker-bake.hcl" in data["files"]
    small.ok("check")


def test_latest_base_image_of_its_kind(small: Project, registry: LocalRegistry) -> None:
    """The CUDA version stays; a pinned digest is replaced by the new one."""
    old, new = "12.1.0-runtime-ubuntu22.04", "12.1.1-runtime-ubuntu22.04"
    add_accelerators(small, registry, TORCH.replace(old, f"{old}@{registry.digest('nvidia/cuda', old)}"))
    data = bump(small, "--base", "cuda")
    wanted = f"{registry.host}/nvidia/cuda:{new}@{registry.digest('nvidia/cuda', new)}"
    assert [(m["kind"], m["to"]) for m in data["moves"]] == [("base", wanted)]
    assert small.ok("bump", "--base", "cuda").out.startswith("nothing to change")
    registry.repositories["nvidia/cuda"][new] += b" "
    data = bump(small, "--base", "cuda")
    wanted = f"{registry.host}/nvidia/cuda:{new}@{registry.digest('nvidia/cuda', new)}"
    assert [m["to"] for m in data["moves"]] == [wanted]
    ran = small.run("bump", "--base", "cuda", "--offline")
    assert ran.code == 4
    assert "--base cuda=IMAGE" in ran.err


@pytest.mark.parametrize("resolver", ["uv", "pip-compile"])
def test_both_resolvers_make_the_lock(voices: Project, resolver: str) -> None:
    bump(voices, "numpy", "--resolver", resolver)
    assert text(voices) == FAMILY.replace('numpy = "1.0" ', 'numpy = "1.5" ')
    voices.ok("resolve", "--check")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("torch", "--variant", "cuda=cu12.4"), "'cu12.4' is not an accelerator"),
        (("torch", "--variant", "cuda=cu128"), "is recorded, but no index for cu128 is"),
        (("torch", "--variant", "cuda=cpu"), "is for cu121, but cpu needs another image"),
        (("torch", "--variant", "cuda=cu124", "--base", "cuda=python:3.11@x"), "is not an image reference"),
        (("torch", "--variant", "cuda=cu124", "--base", "cuda=nvidia/cuda:12.8.0-base"), "is for cu128"),
        (("--base", "gpu=python:3.11"), "no variant with images is named 'gpu'"),
        (("--base", "cpu="), "names no image"),
        (("--base", "cuda", "--base", "cuda=python:3.11"), "is named twice"),
        ((), "no package to change is given"),
    ],
)
def test_invalid_variant_or_base_image_changes_nothing(
    small: Project, registry: LocalRegistry, words: tuple[str, ...], said: str
) -> None:
    add_accelerators(small, registry)
    before = small.tree
    ran = small.run("bump", *words)
    assert ran.code == 2
    assert said in ran.err
    assert small.tree == before


def test_torch_of_the_default_index_keeps_its_accelerator(voices: Project, index: LocalIndex) -> None:
    """Only the pair table knows the accelerators of its releases: 2.4 is for CUDA 12.1, 2.5 for 12.4."""
    for version in ("2.4.0", "2.4.1", "2.5.1"):
        index.add("torch", version)
        index.add("torchvision", f"0.{19 + (version == '2.5.1')}.{version[-1]}", [f"torch=={version}"])
    pins = 'numpy = "1.0"                # old, but known\ntorch = "2.4.0"\ntorchvision = "0.19.0"'
    family = FAMILY.replace('numpy = "1.0"                # old, but known', pins)
    voices.write(family.replace('packages = ["scipy"]', 'packages = ["scipy", "torch", "torchvision"]'))
    voices.ok("resolve")
    assert moves(bump(voices, "torch")) == {"torch": ("2.4.0", "2.4.1"), "torchvision": ("0.19.0", "0.19.1")}
    assert "torch stays at 2.4.1: no newer version is allowed" in voices.ok("bump", "torchvision").out
    (row,) = [r for r in json.loads(voices.ok("outdated", "--json").out)["pins"] if r["name"] == "torch"]
    assert (row["newest"]["version"], row["newest-why"]) == ("2.5.1", "it is built for cu124")
    ran = voices.run("bump", "torch==2.5.1")
    assert ran.code == 2
    assert "torch 2.5.1 is a build for cu124, and torch 2.4.1 is not" in ran.err
    assert "--variant cpu=cu124" in ran.err
    assert moves(bump(voices, "--variant", "cpu=cu124"))["torchvision"] == ("0.19.1", "0.20.1")
    assert 'torch = "2.5.1"\n' in text(voices)


def test_pre_release_only_after_a_pre_release(voices: Project, index: LocalIndex) -> None:
    index.add("speech-kit", "2.0rc1")
    index.add("speech-kit", "3.0b1")
    voices.write(FAMILY.replace("'1.0'", "'2.0rc1'"))
    voices.ok("resolve")
    assert moves(bump(voices, "speech-kit"))["speech-kit"] == ("2.0rc1", "3.0b1")


def test_own_pin_of_a_variant_changes_only_with_it(voices: Project) -> None:
    legacy = '[variants.legacy]\nfrom = "python:3.11-slim"\npins = { numpy = "2.0" }\n\n[pins]'
    stages = FAMILY.replace('from = "base"\n', 'from = "base"\nvariants = ["cpu"]\n')
    family = stages.replace("[pins]", legacy, 1)
    voices.write(family)
    voices.ok("resolve")
    ran = voices.ok("bump", "numpy")
    assert "legacy keeps its own pin numpy 2.0; --variant legacy changes it" in ran.err
    assert text(voices) == family.replace('numpy = "1.0" ', 'numpy = "1.5" ')
    bump(voices, "numpy", "--variant", "legacy")
    assert 'pins = { numpy = "3.0" }' in text(voices)
    voices.ok("check")


def test_variants_that_disagree_on_the_latest_version_get_a_lower_one(small: Project, index: LocalIndex) -> None:
    """either 2.0 fits each variant, but with different versions of filelock: a package has one version per family."""
    for version in ("1.0", "1.5"):
        index.add("either", version, extras=["gpu", "cpu"])
    needs = ["filelock<3.1 ; extra == 'gpu'", "filelock>=3.1 ; extra == 'cpu'"]
    index.add("either", "2.0", needs, extras=["gpu", "cpu"])
    images = '[stages.a]\nfrom = "base"\nvariants = ["cuda"]\npackages = ["either[gpu]"]\n\n'
    images += '[stages.b]\nfrom = "base"\nvariants = ["cpu"]\npackages = ["either[cpu]"]\n'
    family = SMALL.replace('numpy = "2.0.0"\n', 'numpy = "2.0.0"\neither = "1.0"\n').partition("[bases.ml]")[0]
    small.write(family + images)
    small.ok("resolve")
    assert moves(bump(small, "either")) == {"either": ("1.0", "1.5")}
    small.ok("check")
    before = small.tree
    ran = small.run("bump", "either==2.0")
    assert ran.code == 3
    assert "no solution found with either 2.0" in ran.err
    assert "the images of cpu, cuda, which share one version of each package: 1 conflict" in ran.err, ran.err
    assert "filelock" in ran.err
    assert small.tree == before


def test_offline_uses_the_caches(voices: Project, index: LocalIndex) -> None:
    ran = voices.run("bump", "numpy", "--offline")
    assert ran.code == 4
    assert "the releases of numpy are unknown" in ran.err
    voices.ok("bump", "numpy", "--dry-run")
    index.asked.clear()
    assert moves(bump(voices, "numpy", "--offline")) == {"numpy": ("1.0", "1.5")}
    assert index.asked == []


def test_without_an_old_lock(voices: Project) -> None:
    (voices.root / "locks/lock.json").unlink()
    data = bump(voices, "numpy==1.5")
    assert data["changes"]["first"]
    assert [size["before"] for size in data["sizes"]] == [None, None, None]
    voices.ok("check")


def test_nothing_to_change(voices: Project) -> None:
    before = voices.tree
    assert voices.ok("bump", "numpy==1.0").out == "nothing to change: everything is already as requested\n"
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


def test_live_index_is_read_in_every_version(voices: Project, index: LocalIndex) -> None:
    index.add("filelock", "3.0.0")
    with serving_index(LocalIndex()) as cuda:
        for version in ("2.4.1", "2.5.1"):
            cuda.add("torch", f"{version}+cu121", ["filelock"], tag="cp311-cp311-linux_x86_64")
        family = FAMILY.replace("\n[variants.cpu]\n", LIVE.replace("URL", cuda.url))
        voices.write(family.replace('packages = ["scipy"]', 'packages = ["scipy", "torch"]'))
        write_record(voices.root, "cu121", [("torch", "2.4.1+cu121", ["filelock"])])
        assert "no newer version is allowed" in voices.ok("bump", "torch").out
        assert moves(bump(voices, "torch", "--live")) == {"torch": ("2.4.1+cu121", "2.5.1+cu121")}
