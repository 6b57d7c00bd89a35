"""`lockgen explain` and `lockgen repair` on small families with the real uv: every conflict is explained, and every
repair resolves.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.project import Project

FAMILY = cpu_family(
    "voices",
    """\
[pins]                       # what everybody agreed on
numpy = "1.0"                # old, but known
"speech.kit" = '2.0'
scipy = "1.0"

[common]
packages = ["numpy"]

[bases.base]

[stages.asr]
from = "base"
packages = ["speech.kit", "loud[fast]>=2"]

[stages.vad]
from = "base"
packages = [
  "speech.kit",
  "scipy",                   # filters
]
""",
)


@pytest.fixture
def voices(index: LocalIndex, project: Project) -> Project:
    """speech-kit 2.0 requires a newer numpy, and so a newer scipy; loud 2.0 requires an older speech-kit."""
    for version in ("1.0", "1.5", "2.0", "3.0"):
        index.add("numpy", version)
    index.add("scipy", "1.0", ["numpy<2"])
    index.add("scipy", "2.0", ["numpy>=2"])
    index.add("speech-kit", "1.0")
    index.add("speech-kit", "2.0", ["numpy>=2"])
    index.add("loud", "1.0", extras=["fast"])
    index.add("loud", "2.0", ["speech-kit<2"], extras=["fast"])
    project.write(FAMILY)
    return project


def conflicts(project: Project, *arguments: str) -> list[list[str]]:
    ran = project.run("explain", "--json", *arguments)
    assert ran.code == 3, ran.err
    (solve,) = json.loads(ran.out)["solves"]
    return [[element["text"] for element in conflict["elements"]] for conflict in solve["conflicts"]]


def test_explain_finds_every_minimal_conflict(voices: Project) -> None:
    assert conflicts(voices) == [
        ["numpy==1.0", "speech-kit==2.0"],
        ["scipy==1.0", "speech-kit==2.0"],
        ["speech-kit==2.0", "loud[fast]>=2"],
    ]


def test_explain_names_images_and_lines(voices: Project) -> None:
    ran = voices.run("explain")
    assert ran.code == 3
    assert ran.out.startswith("the images of cpu: 3 conflicts\n")
    assert "speech-kit 2.0 (required by asr and vad) requires numpy>=2; [pins] line 9 pins numpy to 1.0" in ran.out
    assert "[stages.asr] line 20 requires loud[fast]>=2" in ran.out


def test_explain_reports_indirect_and_shared_requirements(voices: Project, index: LocalIndex) -> None:
    """No requirement names the other package: one is indirect, and two are on the same third package."""
    index.add("tokens", "1.0", ["scipy>=2"])
    index.add("tokens", "1.1", ["scipy>=2"])
    index.add("text", "1.0", ["tokens<2"])
    text = FAMILY.replace('"loud[fast]>=2"', '"text"').replace('scipy = "1.0"', 'scipy = "1.0"\ntext = "1.0"')
    voices.write(text.replace('numpy = "1.0"  ', "#"))
    said = voices.run("explain").out
    assert (
        "text 1.0 (required by asr) requires tokens<2, which requires scipy>=2; [pins] line 11 pins scipy to 1.0"
        in said
    )
    assert (
        "scipy 1.0 (required by vad) requires numpy<2; speech-kit 2.0 (required by asr and vad) requires numpy>=2"
        in said
    )
    assert "Because" not in said


def test_cached_answers_are_reused(voices: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`repair` reuses the answers of `explain`, and neither needs the resolver's cache of that time."""
    text = FAMILY.replace('python = "3.11"', 'python = "3.11"\nexclude-newer = 2026-01-01T00:00:00Z')
    voices.write(text)
    first = json.loads(voices.run("explain", "--json").out)
    assert first["solves"][0].pop("questions") > 5
    again = json.loads(voices.run("explain", "--json").out)
    assert again["solves"][0].pop("questions") == 0
    assert first == again
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another"))
    kept = voices.ok("repair", "--json").out
    assert json.loads(voices.ok("repair", "--json", "--no-cache").out)["proposals"] == json.loads(kept)["proposals"]
    voices.write(text.replace("'2.0'", "'1.0'"))
    assert json.loads(voices.run("explain", "--json").out)["solves"][0]["conflicts"] == []


def test_a_limit_ends_the_search_and_is_reported(voices: Project) -> None:
    ran = voices.run("explain", "--limit", "1")
    assert ran.code == 3
    assert "1 conflict, and there may be more" in ran.out


def test_a_family_without_conflict_needs_no_repair(voices: Project) -> None:
    voices.write(FAMILY.replace("'2.0'", "'1.0'"))
    assert "no conflict was found" in voices.ok("explain").out
    assert voices.ok("repair").out == "versions.toml resolves: nothing to repair\n"
    assert voices.run("explain", "gpu").code == 2


def test_a_version_that_no_index_has_is_a_conflict(voices: Project) -> None:
    voices.write(FAMILY.replace('scipy = "1.0"', 'scipy = "9.0"').replace("'2.0'", "'1.0'"))
    assert conflicts(voices) == [["scipy==9.0"]]


def test_a_failed_build_is_not_a_conflict(voices: Project, index: LocalIndex) -> None:
    """The answer is unknown, and no pin is blamed for it."""
    index.add("broken", "1.0", source=True, builds=["there-is-no-such-backend"])
    text = FAMILY.replace('python = "3.11"', 'python = "3.11"\nbuild = ["broken"]').replace("'2.0'", "'1.0'")
    voices.write(text.replace('"scipy", ', '"scipy", "broken",'))
    ran = voices.run("explain", "--json")
    (solve,) = json.loads(ran.out)["solves"]
    print(solve)
    assert ran.code == 4
    assert solve["conflicts"] == []
    assert solve["unknown"]


def test_offline_without_a_cache_is_unknown(voices: Project) -> None:
    ran = voices.run("explain", "--offline")
    assert ran.code == 4
    assert "gave no answer to 1 query" in ran.out


def test_the_first_proposal_is_the_smallest_and_resolves(voices: Project) -> None:
    proposals = json.loads(voices.ok("repair", "--json").out)["proposals"]
    first = [(change["text"], change["to"], change["releases-between"]) for change in proposals[0]["changes"]]
    assert first == [("speech-kit==2.0", "1.0", 1)]
    assert proposals[0]["images"] == ["asr", "vad"]
    voices.ok("repair", "--apply")
    text = (voices.root / "versions.toml").read_text()
    assert text == FAMILY.replace(
        "\"speech.kit\" = '2.0'", "\"speech.kit\" = '1.0'  # was 2.0: loud 2.0 requires speech-kit<2"
    )
    voices.ok("resolve")


def test_a_held_pin_is_not_changed(voices: Project) -> None:
    voices.write(FAMILY.replace("'2.0'", '{ version = "2.0", held = true }').replace(', "loud[fast]>=2"', ""))
    proposals = json.loads(voices.ok("repair", "--json").out)["proposals"]
    first = {change["text"]: (change["to"], change["releases-between"]) for change in proposals[0]["changes"]}
    assert first == {"numpy==1.0": ("2.0", 2), "scipy==1.0": ("2.0", 1)}
    voices.ok("repair", "--apply", "1")
    text = (voices.root / "versions.toml").read_text()
    assert 'numpy = "2.0"                # old, but known; was 1.0: scipy 2.0 requires numpy>=2' in text
    assert tomllib.loads(text)["pins"]["speech.kit"] == {"version": "2.0", "held": True}
    voices.ok("resolve")


def test_conflicting_held_pins_have_no_repair(voices: Project) -> None:
    text = FAMILY.replace("'2.0'", '{ version = "2.0", held = true }')
    voices.write(text.replace('numpy = "1.0"', 'numpy = { version = "1.0", held = true }'))
    ran = voices.run("repair")
    assert ran.code == 3
    assert "no allowed change resolves numpy==1.0 with speech-kit==2.0" in ran.err
    assert "held: numpy==1.0, speech-kit==2.0" in ran.err


def test_a_bound_is_removed_and_the_rest_of_its_text_stays(voices: Project) -> None:
    voices.write(
        FAMILY.replace("'2.0'", '{ version = "2.0", held = true }')
        .replace('numpy = "1.0"', 'numpy = "2.0"')
        .replace('scipy = "1.0"', 'scipy = "2.0"')
        .replace('"loud[fast]>=2"', "\"loud [fast] >= 2 ; python_version > '3'\"")
    )
    voices.ok("repair", "--apply")
    assert "\"loud [fast] ; python_version > '3'\"]  # was loud[fast]>=2" in (voices.root / "versions.toml").read_text()
    voices.ok("resolve")


def test_a_single_bound_that_is_too_narrow_is_reported(voices: Project, index: LocalIndex) -> None:
    index.add("narrow", "1.0", ["numpy<2"])
    voices.write(
        FAMILY.replace('numpy = "1.0"', 'numpy = "2.0"')
        .replace('scipy = "1.0"', 'scipy = "2.0"\nnarrow = "1.0"')
        .replace(', "loud[fast]>=2"', ', "narrow"')
    )
    ran = voices.ok("repair")
    assert "or: narrow 1.0 requires numpy<2. This is the only requirement that prevents a resolution" in ran.out
    assert "lockgen does not write overrides" in ran.out


def test_a_proposal_that_does_not_exist_changes_nothing(voices: Project) -> None:
    before = voices.tree
    ran = voices.run("repair", "--apply", "99", "--count", "1")
    assert ran.code == 2
    assert "no proposal 99" in ran.err
    assert voices.tree == before


APART = """\
[family]
name = "two"
python = "3.11"

[variants.cuda]
from = "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04"

[variants.cpu]
from = "python:3.11-slim"

[pins]
loud = "1.0"

[bases.base]

[stages.a]
from = "base"
variants = ["cpu"]
packages = ["numpy>=2", "loud"]

[stages.b]
from = "base"
variants = ["cuda"]
packages = ["numpy<2"]
"""


def test_variants_that_resolve_alone_but_not_together(voices: Project) -> None:
    """Variants share one version of each package (guarantee 2): without a conflict in any variant, `resolve` fails."""
    voices.write(APART)
    assert voices.run("resolve").code == 3
    assert conflicts(voices) == [["numpy<2", "numpy>=2"]]
    said = voices.run("explain").out
    assert "the images of cpu, cuda, which share one version of each package: 1 conflict" in said
    assert "[stages.a] line 19 requires numpy>=2" in said
    proposals = json.loads(voices.ok("repair", "--json").out)["proposals"]
    changed = [[(change["text"], change["to"]) for change in proposal["changes"]] for proposal in proposals]
    assert [("numpy<2", None)] in changed
    voices.ok("repair", "--apply")
    voices.ok("resolve")
    assert voices.ok("repair").out == "versions.toml resolves: nothing to repair\n"


def test_every_proposal_resolves_with_every_variant(voices: Project) -> None:
    """Without loud's pin, cpu resolves alone; together with cuda, numpy has to change as well."""
    voices.write(APART.replace('"numpy>=2", "loud"', '"numpy>=2", "loud", "speech-kit>=2"').replace("1.0", "2.0"))
    solves = json.loads(voices.run("explain", "--json").out)["solves"]
    assert {tuple(s["variants"]): len(s["conflicts"]) for s in solves} == {("cpu",): 1, ("cuda",): 0}
    for proposal in json.loads(voices.ok("repair", "--json").out)["proposals"]:
        assert {"numpy<2", "numpy>=2"} & {change["text"] for change in proposal["changes"]}
    voices.ok("repair", "--apply")
    voices.ok("resolve")


def test_a_pin_of_several_variants_is_changed_once(voices: Project) -> None:
    text = APART.replace('loud = "1.0"', 'numpy = "1.0"\nspeech-kit = "2.0"')
    voices.write(
        text.replace('"numpy>=2", "loud"', '"speech-kit", "numpy"').replace('"numpy<2"', '"speech-kit", "numpy"')
    )
    proposals = json.loads(voices.ok("repair", "--json").out)["proposals"]
    first = [([(c["text"], c["to"]) for c in proposal["changes"]], proposal["images"]) for proposal in proposals]
    assert first == [([("speech-kit==2.0", "1.0")], ["a", "b"]), ([("numpy==1.0", "2.0")], ["a", "b"])]
    voices.ok("repair", "--apply", "2")
    assert 'numpy = "2.0"' in (voices.root / "versions.toml").read_text()
    voices.ok("resolve")


ACCELERATED = cpu_family(
    "accelerated",
    """\
[pins]
torch = "2.1.0"
asr = "2.0"
vad = "2.0"
[bases.base]
[stages.voice]
from = "base"
packages = ["torch", "asr", "vad"]
""",
)


@pytest.mark.parametrize("everything", [False, True])
def test_a_smaller_repair_with_another_accelerator_is_listed_last_and_marked(
    index: LocalIndex, project: Project, everything: bool
) -> None:
    """torch 2.1.0 and 2.2.0 of the default index are built for cu121, 2.6.0 for cu124."""
    for version in ("2.1.0", "2.2.0", "2.6.0"):
        index.add("torch", version)
    for name in ("asr", "vad"):
        index.add(name, "2.0", ["torch>=2.6"])
        if everything:
            index.add(name, "1.0", ["torch<2.6"])
    project.write(ACCELERATED)
    data = json.loads(project.ok("repair", "--json").out)
    kept, marked = data["proposals"][:-1], data["proposals"][-1]
    assert [(change["text"], change["to"]) for change in marked["changes"]] == [("torch==2.1.0", "2.6.0")]
    assert marked["accelerator"] == "cu124"
    assert [len(proposal["changes"]) for proposal in kept] == ([2] if everything else [])
    assert all(proposal["accelerator"] is None for proposal in kept)
    assert "CHANGES THE ACCELERATOR: torch becomes a build for cu124" in project.ok("repair").out
    project.ok("repair", "--apply", str(len(kept) + 1))
    project.ok("resolve")
