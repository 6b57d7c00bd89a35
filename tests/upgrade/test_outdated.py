"""`lockgen outdated` on small families with real uv: newer versions, which of them fit, and what is unknown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.families import SMALL, write_record
from support.index import LocalIndex
from support.project import Project
from support.registry import LocalRegistry, serving

from lockgen.core.index import Release
from lockgen.upgrade.outdated_model import FamilyMember, OutdatedBase, OutdatedPin, Survey
from lockgen.upgrade.outdated_render import markdown, text

FAMILY = """\
[family]
name = "voices"
python = "3.11"
exclude-newer = 2025-06-01T00:00:00Z

[variants.cpu]
from = "HOST/library/python:3.11.4-slim"

[variants.legacy]
from = "HOST/library/python:3.11-slim"
pins = { numpy = "1.0" }

[pins]
numpy = "1.5"
scipy = { version = "1.0", held = true }
"speech.kit" = "1.0"

[common]
packages = ["numpy"]

[bases.base]

[stages.asr]
from = "base"
variants = ["cpu"]
packages = ["speech.kit"]

[stages.vad]
from = "base"
variants = ["cpu"]
packages = ["scipy"]
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalRegistry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with serving(LocalRegistry()) as local:
        local.add("library/python", "3.11-slim", "3.11.4-slim", "3.11.9-slim", "3.12.1-slim")
        local.add(
            "nvidia/cuda", "12.1.0-runtime-ubuntu22.04", "12.1.1-runtime-ubuntu22.04", "12.4.1-runtime-ubuntu22.04"
        )
        yield local


@pytest.fixture
def voices(index: LocalIndex, project: Project, registry: LocalRegistry) -> Project:
    for version in ("1.0", "1.5", "1.9", "2.0", "3.0rc1"):
        index.add("numpy", version, uploaded="2025-02-01T00:00:00Z")
    index.add("numpy", "4.0", yanked=True)
    index.add("numpy", "6.0", uploaded="2025-07-01T00:00:00Z")
    index.add("scipy", "1.0", ["numpy<2"])
    index.add("scipy", "1.1", ["numpy<2"])
    index.add("speech-kit", "1.0")
    index.add("speech-kit", "2.0", tag="cp39-cp39-win_amd64")
    project.write(FAMILY.replace("HOST", registry.host))
    project.ok("resolve")
    return project


def rows(project: Project, *arguments: str) -> dict[tuple[str, str | None], dict[str, Any]]:
    data = json.loads(project.ok("outdated", "--json", *arguments).out)
    return {(row["name"], row["variant"]): row for row in data["pins"]}


def versions(row: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(row[key] and row[key]["version"] for key in ("current", "fits", "newest"))


def test_latest_compatible_and_latest_version(voices: Project) -> None:
    found = rows(voices)
    numpy = found["numpy", None]
    assert versions(numpy) == ("1.5", "1.9", "6.0")
    assert (numpy["allowed"], numpy["why"]) == ("2.0", "scipy 1.0 requires numpy<2, but numpy is 2.0")
    assert numpy["newest-why"] == "newer than exclude-newer"
    assert numpy["images"] == ["asr", "base", "vad"]
    age = (datetime.now(UTC) - datetime(2025, 2, 1, tzinfo=UTC)).days
    assert abs(numpy["current"]["age"] - age) <= 1
    assert numpy["newest"]["uploaded"] == "2025-07-01T00:00:00+00:00"
    # A variant's own pin has its own row, and is not restricted by the packages of other variants.
    assert versions(found["numpy", "legacy"]) == ("1.0", "2.0", "6.0")
    assert found["numpy", "legacy"]["images"] == ["base"]


def test_held_pin_is_shown_but_not_outdated(voices: Project) -> None:
    scipy = rows(voices)["scipy", None]
    assert versions(scipy) == ("1.0", "1.1", "1.1")
    assert scipy["held"]
    assert not scipy["outdated"]


def test_release_for_other_targets_is_not_a_choice(voices: Project) -> None:
    speech = rows(voices)["speech-kit", None]
    assert versions(speech) == ("1.0", "1.0", "2.0")
    assert speech["newest-why"] == "no file of it runs on the target"
    assert not speech["outdated"]


def test_version_that_fits_can_be_bumped(voices: Project) -> None:
    fits = rows(voices)["numpy", None]["fits"]["version"]
    voices.ok("bump", f"numpy=={fits}")
    assert not rows(voices)["numpy", None]["outdated"]


def test_base_images(voices: Project, registry: LocalRegistry) -> None:
    data = json.loads(voices.ok("outdated", "--json").out)
    by_name = {row["image"].rsplit(":", 1)[1]: row for row in data["base-images"]}
    assert by_name["3.11.4-slim"]["newer-tag"] == "3.11.9-slim"
    assert by_name["3.11.4-slim"]["outdated"]
    assert by_name["3.11-slim"]["newer-tag"] is None
    assert by_name["3.11-slim"]["digest"] == {"pinned": None, "now": registry.digest("library/python", "3.11-slim")}
    assert not by_name["3.11-slim"]["outdated"]


def test_base_image_whose_tag_has_a_new_digest(voices: Project, registry: LocalRegistry) -> None:
    then = registry.digest("library/python", "3.11-slim")
    pinned = FAMILY.replace("HOST", registry.host).replace(":3.11-slim", f":3.11-slim@{then}")
    voices.write(pinned)
    row = json.loads(voices.ok("outdated", "--json").out)["base-images"][1]
    assert row["digest"]["pinned"] == row["digest"]["now"] == then
    assert not row["outdated"]
    registry.repositories["library/python"]["3.11-slim"] += b" "
    data = json.loads(voices.ok("outdated", "--json").out)
    assert data["base-images"][1]["outdated"]
    now = registry.digest("library/python", "3.11-slim").removeprefix("sha256:")[:12]
    assert f"now {now}" in voices.ok("outdated").out


def test_newer_tag_is_found_although_the_pinned_tag_is_gone(voices: Project, registry: LocalRegistry) -> None:
    del registry.repositories["library/python"]["3.11.4-slim"]
    row = json.loads(voices.ok("outdated", "--json").out)["base-images"][0]
    assert (row["newer-tag"], row["digest"]["now"]) == ("3.11.9-slim", None)
    assert row["unknown"] == "the registry has no tag 3.11.4-slim any more"
    assert "3.11.9-slim" in voices.ok("outdated").out


def test_digest_is_found_although_tags_cannot_be_listed(voices: Project, registry: LocalRegistry) -> None:
    registry.unlisted = True
    row = json.loads(voices.ok("outdated", "--json").out)["base-images"][0]
    assert (row["newer-tag"], row["digest"]["now"]) == (None, registry.digest("library/python", "3.11.4-slim"))
    assert row["unknown"].startswith("cannot list the tags: ")
    assert "HTTP 403" in row["unknown"]


def test_digest_without_a_tag(voices: Project, registry: LocalRegistry) -> None:
    digest = registry.digest("library/python", "3.11.4-slim")
    text = (voices.root / "versions.toml").read_text()
    voices.write(text.replace("python:3.11.4-slim", f"python@{digest}"))
    rows = {row["image"]: row for row in json.loads(voices.ok("outdated", "--json").out)["base-images"]}
    (row,) = [row for name, row in rows.items() if "@" in name]
    assert (row["outdated"], row["unknown"]) == (False, "only a digest is pinned, so newer tags cannot be found")


def test_yanked_release_is_no_choice_once_the_cache_expires(voices: Project, index: LocalIndex, tmp_path: Path) -> None:
    assert rows(voices)["numpy", None]["fits"]["version"] == "1.9"
    for name, entry in index.pages["numpy"].items():
        entry["yanked"] = "-1.9-" in name or entry["yanked"]
    for kept in (tmp_path / "cache-LOCKGEN" / "releases").rglob("*.json"):
        os.utime(kept, (0, 0))
    assert rows(voices)["numpy", None]["fits"]["version"] == "1.5"


def test_another_cuda_is_not_a_newer_tag(small: Project, registry: LocalRegistry) -> None:
    small.write(
        SMALL.replace('"nvidia/cuda:', f'"{registry.host}/nvidia/cuda:').replace(
            '"python:', f'"{registry.host}/library/python:'
        )
    )
    data = json.loads(small.ok("outdated", "--json").out)
    assert {row["newer-tag"] for row in data["base-images"]} == {None, "12.1.1-runtime-ubuntu22.04"}


def test_torch_has_a_row_for_each_table_on_its_own_index(small: Project, registry: LocalRegistry) -> None:
    versions_of = {"cu121": ("2.4.1", "2.5.1"), "cpu": ("2.4.1", "2.6.0")}
    for label, known in versions_of.items():
        torch = [("torch", f"{v}+{label}", ["filelock"]) for v in known]
        torch += [("torch", "2.6.0+cu124", ["filelock"])] if label == "cu121" else []
        write_record(small.root, label, torch + [("torchaudio", f"{v}+{label}", [f"torch=={v}"]) for v in known])
    pins = 'pins = { torch = "2.4.1+cu121", torchaudio = "2.4.1+cu121" }'
    family = SMALL.replace('pins = { torch = "2.5.1+cu121" }', pins).replace("2.5.1+cpu", "2.4.1+cpu")
    small.write(family.replace('"nvidia/cuda:', f'"{registry.host}/nvidia/cuda:'))
    found = rows(small)
    assert versions(found["torch", "cuda"]) == ("2.4.1+cu121", "2.5.1+cu121", "2.5.1+cu121")
    assert [(m["name"], m["fits"]) for m in found["torch", "cuda"]["members"]] == [
        ("torch", "2.5.1+cu121"),
        ("torchaudio", "2.5.1+cu121"),
    ]
    assert versions(found["torch", "cpu"]) == ("2.4.1+cpu", "2.6.0+cpu", "2.6.0+cpu")
    assert found["torch", "cuda"]["current"]["age"] is None  # a record has no upload times
    assert "cpu, cu121: read from the record; --live reads the index itself" in small.ok("outdated").out


def test_exit_codes(voices: Project, registry: LocalRegistry) -> None:
    assert voices.run("outdated", "--fail-on", "unknown").code == 0
    assert voices.run("outdated", "--fail-on", "outdated").code == 1
    registry.status = 404
    ran = voices.run("outdated", "--fail-on", "unknown")
    assert ran.code == 1
    assert "unknown (" in ran.out
    assert voices.run("outdated", "--offline", "--live").code == 2


def test_offline_reports_what_is_unknown(voices: Project, index: LocalIndex, registry: LocalRegistry) -> None:
    registry.asked.clear()
    voices.ok("outdated")
    before, asked = len(index.asked), len(registry.asked)
    found = rows(voices, "--offline")
    assert (len(index.asked), len(registry.asked)) == (before, asked)
    numpy = found["numpy", None]
    assert versions(numpy) == ("1.5", "1.9", None)  # of a cut-off in the past the releases are kept
    assert numpy["unknown"] == "--offline forbids reading releases from the index"
    out = voices.ok("outdated", "--offline").out
    assert (
        "unknown (--offline forbids reading releases from the index): numpy, numpy (legacy), scipy, speech-kit" in out
    )
    assert "--offline: new releases, base images and their age are unknown" in out


def test_failing_index_is_unknown(voices: Project, index: LocalIndex) -> None:
    index.answers["/simple/speech-kit/"] = (500, {}, b"")
    found = rows(voices)["speech-kit", None]
    assert found["newest"] is None
    assert "HTTP 500" in found["unknown"]
    assert not found["outdated"]


def test_family_without_a_solution(voices: Project, registry: LocalRegistry) -> None:
    voices.write(FAMILY.replace("HOST", registry.host).replace('numpy = "1.5"', 'numpy = "2.0"'))
    ran = voices.ok("outdated")
    assert (
        "the current pins have no solution, so it is unknown which versions are compatible: see `lockgen explain`"
        in ran.out
    )
    assert versions(rows(voices)["numpy", None]) == ("2.0", None, "6.0")


NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXAMPLE = Survey(
    (
        OutdatedPin(
            name="torch",
            members=(
                FamilyMember("torch", (), "2.4.1+cu121", "2.5.1+cu121"),
                FamilyMember("torchaudio", (), "2.4.1+cu121", None),
            ),
            table="cuda",
            variants=("cuda",),
            images=("asr", "base-ml", "demux", "vad", "ner"),
            held=False,
            current=Release("2.4.1+cu121"),
            fits=Release("2.5.1+cu121"),
            newest=Release("2.5.1+cu121"),
        ),
        OutdatedPin(
            name="numpy",
            members=(FamilyMember("numpy", (), "1.5", "1.5"),),
            table=None,
            variants=("cpu",),
            images=("base",),
            held=True,
            current=Release("1.5", NOW - timedelta(days=400)),
            fits=Release("1.5"),
            newest=Release("6.0", NOW - timedelta(days=3)),
            allowed="2.0",
            reason="scipy 1.0 requires numpy<2",
            bar="newer than exclude-newer",
        ),
        OutdatedPin("odd", (), None, ("cpu",), (), False, Release("1"), unknown="HTTP 500 | no"),
    ),
    (OutdatedBase("python:3.11.4-slim", ("cpu",), "sha256:00", "sha256:11", "3.11.9-slim"),),
)

TABLE = """\
pin                          current  days         fits       newest  days  held
torch, torchaudio        2.4.1+cu121        2.5.1+cu121  2.5.1+cu121
(cuda)
    images: asr, base-ml, demux +2
numpy                            1.5   400            =          6.0     3  held
    images: base
odd                                1            unknown      unknown

base image          variants  digest  newer tag
python:3.11.4-slim  cpu       now 11  3.11.9-slim

numpy 2.0 is not compatible: scipy 1.0 requires numpy<2
newer than exclude-newer: numpy 6.0
unknown (HTTP 500 | no): odd

1 of 3 pins can be upgraded on their own, 1 of 1 base image is outdated"""


def test_table() -> None:
    assert text(EXAMPLE, NOW) == TABLE


def test_markdown() -> None:
    shown = markdown(EXAMPLE, NOW).splitlines()
    assert shown[2] == "| pin | current | days | fits | newest | days | held | images |"
    assert shown[4].startswith("| torch, torchaudio (cuda) | 2.4.1+cu121 |  | 2.5.1+cu121 |")
    assert "* unknown (HTTP 500 \\| no): odd" in shown
