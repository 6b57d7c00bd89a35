"""`lockgen compat` and `lockgen pairs` on the command line, with the real uv and a small index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.families import SMALL
from support.index import LocalIndex
from support.project import Project

from lockgen.core.resolution import Request, Solution
from lockgen.index.record_reader import parse_record
from lockgen.index.server import RecordedIndexes, serving
from lockgen.resolvers.uv import Uv

COMPAT = """
[compat]
python = ["3.11", "3.12"]
torch = ">=2.4"
numpy = ["1.26.4", "2.0.0"]
exclude = [{ python = "3.12", numpy = "1.26.*" }]
"""
FAMILY = SMALL + COMPAT
FILE = "locks/COMPAT.md"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every request to uv."""
    recorded: list[Request] = []
    solve = Uv.solve

    def counting(self: Uv, request: Request) -> Solution:
        recorded.append(request)
        return solve(self, request)

    monkeypatch.setattr(Uv, "solve", counting)
    return recorded


@pytest.fixture
def family(small: Project) -> Project:
    small.write(FAMILY)
    return small


def cells(out: str) -> dict[str, dict[str, str]]:
    return {c["name"]: {r["group"]: r["status"] for r in c["results"]} for c in json.loads(out)["cells"]}


def test_every_cell_by_hand(family: Project) -> None:
    found = cells(family.ok("compat", "--json").out)
    assert len(found) == 16
    old = "python=3.11 torch=2.4.1 numpy=2.0.0"
    new = "python=3.11 torch=2.5.1 numpy=1.26.4"
    assert found[f"{old} variant=cuda"] == {"ml:cuda": "yes"}
    assert found[f"{new} variant=cuda"] == {"ml:cuda": "yes"}
    assert found[f"{new} variant=cpu"] == {"base:cpu": "yes", "ml:cpu": "yes"}
    # The record of cpu has no torch 2.4.1, and only cp311 wheels. The pair table knows of others on the default index.
    assert found[f"{old} variant=cpu"] == {"base:cpu": "yes", "ml:cpu": "unknown"}
    assert found["python=3.12 torch=2.5.1 numpy=2.0.0 variant=cuda"] == {"ml:cuda": "unknown"}
    assert found["python=3.12 torch=2.5.1 numpy=1.26.4 variant=cuda"] == {}, "excluded"


def test_a_free_pin_changes_and_a_held_one_does_not(family: Project, index: LocalIndex) -> None:
    index.add("speech", "0.9", ["torch<2.5"], extras=["fast"])
    pinned = FAMILY.replace('numpy = "2.0.0"\n', 'numpy = "2.0.0"\nspeech = "0.9"\n')
    family.write(pinned)
    cell = "python=3.11 torch=2.5.1 numpy=2.0.0 variant=cuda"
    (result,) = json.loads(family.ok("compat", "--json", cell).out)["cells"][0]["results"]
    assert (result["status"], result["changes"]) == ("changes", {"speech": ["0.9", "1.0"]})
    assert "speech 0.9 requires torch<2.5, but torch is 2.5.1+cu121" in result["reason"]
    assert result["versions"]["torch"] == "2.5.1+cu121"
    for held in (
        pinned.replace('speech = "0.9"', 'speech = { version = "0.9", held = true }'),
        pinned + 'held = ["speech"]\n',
    ):
        family.write(held)
        (result,) = json.loads(family.ok("compat", "--json", cell).out)["cells"][0]["results"]
        assert (result["status"], result["changes"]) == ("no", {})
        assert "speech 0.9 requires torch<2.5" in result["reason"]


def test_a_second_run_is_cached_and_prints_the_same(family: Project, requests: list[Request]) -> None:
    first = family.ok("compat", "--json")
    assert requests
    requests.clear()
    assert family.ok("compat", "--json").out == first.out
    assert requests == []
    assert family.ok("compat", "--json", "--no-cache", "--jobs", "1").out == first.out
    assert requests


@pytest.mark.parametrize("of", [2, 5])
def test_shards_merge_to_the_same_bytes(
    family: Project, of: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = family.ok("compat", "--json").out
    written = (family.root / FILE).read_bytes()
    (family.root / FILE).unlink()
    paths = []
    for number in range(1, of + 1):
        # As on another machine, with an empty cache.
        monkeypatch.setenv("LOCKGEN_CACHE_DIR", str(tmp_path / f"machine-{of}-{number}"))
        path = tmp_path / f"{number}.json"
        path.write_text(family.ok("compat", "--json", "--shard", f"{number}/{of}").out)
        assert not (family.root / FILE).exists(), "only a complete matrix is written"
        paths.append(str(path))
    assert family.ok("compat", "--json", "--merge", *reversed(paths)).out == whole
    assert (family.root / FILE).read_bytes() == written
    ran = family.run("compat", "--merge", *paths[1:])
    assert (ran.code, "the shards do not contain" in ran.err) == (2, True)
    ran = family.run("compat", "--merge", *paths, paths[0])
    assert (ran.code, "is in two shards" in ran.err) == (2, True)
    family.write(FAMILY.replace('numpy = "2.0.0"', 'numpy = "1.26.4"'))
    ran = family.run("compat", "--merge", *paths)
    assert (ran.code, "created from other inputs" in ran.err) == (2, True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}'])
def test_invalid_shards(family: Project, tmp_path: Path, text: str) -> None:
    path = tmp_path / "shard.json"
    path.write_text(text)
    ran = family.run("compat", "--merge", str(path))
    assert (ran.code, "not a matrix written by lockgen" in ran.err) == (2, True)
    assert family.run("compat", "--merge", str(tmp_path / "none.json")).code == 2


def test_fail_on(family: Project) -> None:
    assert family.run("compat", "--fail-on", "no").code == 0
    assert family.run("compat", "--fail-on", "no", "--fail-on", "unknown").code == 1
    assert family.run("compat", "--fail-on", "unknown", "torch=2.4.1 python=3.11 variant=cuda").code == 0


def test_the_table_has_no_colours(family: Project) -> None:
    out = family.ok("compat").out
    assert "\x1b" not in out
    lines = out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("ml:cuda:"))
    assert lines[start + 1 : start + 4] == [
        "torch, numpy      3.11  3.12",
        "any, 1.26.4   resolves     -",
        "any, 2.0.0    resolves     ?",
    ]
    assert "?: unknown, because the index" in out


# -- locks/COMPAT.md and check -------------------------------------------------


@pytest.fixture
def whole(family: Project) -> Project:
    """A resolved family with a matrix that passes `check`."""
    family.ok("resolve")
    assert "locks/COMPAT.md: missing" in family.run("check").out
    family.ok("compat")
    assert family.ok("check").out == ""
    return family


def test_the_file_equals_the_output_of_markdown(whole: Project) -> None:
    text = (whole.root / FILE).read_text()
    assert whole.ok("compat", "--markdown").out == text
    assert text.startswith("<!-- Generated from versions.toml by `lockgen compat`")
    assert "| any, 2.0.0 | resolves | ? |" in text


def test_an_edit_a_change_and_a_missing_file_are_found(whole: Project) -> None:
    before = (whole.root / FILE).read_text()
    for edited in (
        before.replace("| resolves |", "| no |", 1),
        before + "\n",
        before.replace("sha256:", "sha256:0", 2),
    ):
        whole.write(edited, FILE)
        ran = whole.run("check")
        assert (ran.code, FILE in ran.out) == (1, True)
        assert "To fix: lockgen compat" in ran.out
    whole.write(before, FILE)
    assert whole.run("check").code == 0
    for old, new in (('torch = ">=2.4"', 'torch = ">=2.5"'), ("exclude =", "held = ['numpy']\nexclude =")):
        whole.write(FAMILY.replace(old, new))
        ran = whole.run("check")
        assert (ran.code, f"{FILE}: versions.toml, a record or the pair table changed" in ran.out) == (1, True)
        assert ran.out.count("found. To fix") == 1
        assert "lockgen resolve" not in ran.out, "the lock does not depend on [compat]"
    whole.write(SMALL)
    ran = whole.run("check")
    assert (ran.code, "declares no [compat]" in ran.out) == (1, True)
    (whole.root / FILE).unlink()
    assert whole.run("check").code == 0


def test_the_matrix_does_not_depend_on_dockerfiles(whole: Project) -> None:
    whole.write(FAMILY.replace("python:3.11-slim", "python:3.11-slim-bookworm"))
    ran = whole.run("check")
    assert ran.code == 1
    assert FILE not in ran.out


def test_a_file_not_written_by_lockgen_is_not_replaced(family: Project) -> None:
    family.write("# Mine\n", FILE)
    ran = family.run("compat")
    assert (ran.code, "this file is not lockgen's" in ran.err) == (2, True)
    assert (family.root / FILE).read_text() == "# Mine\n"


# -- bad input -----------------------------------------------------------------

LAST = FAMILY.count("\n")
BAD = {
    "axis-not-pinned": ("torch = ", "scipy = ", "`scipy` is neither pinned nor required", "(compat.scipy)", ""),
    "axis-misspelled": ("torch = ", "torhc = ", "`torhc` is neither pinned nor required", "(compat.torhc)", "`torch`?"),
    "axis-empty": ('["1.26.4", "2.0.0"]', "[]", "`numpy` is empty", "(compat.numpy)", "name at least one"),
    "python-invalid": ('"3.12"]', '"4.0"]', "'4.0' is not a Python version", "(compat.python[1])", '"3.11"'),
    "python-empty": ('["3.11", "3.12"]', "[]", "`python` is empty", "(compat.python)", "name at least one"),
    "python-twice": ('"3.12"]', '"3.11"]', "`3.11` is named twice", "(compat.python[1])", "keep one"),
    "invalid-version": (
        '"1.26.4", ',
        '"latest", ',
        "'latest' is not a version",
        "(compat.numpy[0])",
        "write a bound without an array",
    ),
    "invalid-bound": (
        '">=2.4"',
        '"newest"',
        "'newest' is not a version specifier",
        "(compat.torch)",
        "a list of versions",
    ),
    "local-version": ('">=2.4"', '["2.5.1+cu121"]', "the build of one index", "(compat.torch[0])", 'write "2.5.1"'),
    "wrong-type": ('">=2.4"', "2.5", "expected an array, got a float", "(compat.torch)", ""),
    "bound-matches-nothing": ('">=2.4"', '">=9"', "the index has no version of torch", "(compat.torch)", "widen"),
    "torch-not-in-pairs": (
        '">=2.4"',
        '["2.5.1", "9.1"]',
        "torch 9.1 is not in the pair table",
        "(compat.torch[1])",
        "[compat.pairs.",
    ),
    "exclude-matches-nothing": (
        '"1.26.*"',
        '"1.25.*"',
        "exclusion matches no cell",
        "(compat.exclude[0])",
        "remove it",
    ),
    "exclude-unknown-axis": (
        "{ python =",
        "{ pyton =",
        "`pyton` is not an axis",
        "(compat.exclude[0].pyton)",
        "`python`?",
    ),
    "exclude-invalid-bound": (
        '"1.26.*"',
        '"old"',
        "'old' is not a version specifier",
        "(compat.exclude[0].numpy)",
        "2.1.*",
    ),
    "exclude-empty": (
        '{ python = "3.12", numpy = "1.26.*" }',
        "{}",
        "leave out every cell",
        "(compat.exclude[0])",
        "axis",
    ),
    "held-not-pinned": ("exclude =", 'held = ["tqdm"]\nexclude =', "`tqdm` is not pinned", "(compat.held[0])", "numpy"),
    "variant-unknown": (
        "exclude =",
        'variants = ["gpu"]\nexclude =',
        "`gpu` is not a variant with images",
        "(compat.variants[0])",
        "cpu",
    ),
    "pair-unknown-key": (
        "exclude =",
        'pairs = { "2.5.1" = { torchtext = "1" } }\nexclude =',
        "unknown key `torchtext`",
        '(compat.pairs."2.5.1".torchtext)',
        "torchaudio",
    ),
    "pair-invalid-version": (
        "exclude =",
        'pairs = { "2.5.1" = { torchaudio = "x" } }\nexclude =',
        "'x' is not a version",
        '(compat.pairs."2.5.1".torchaudio)',
        "",
    ),
    "pin-table-key": (
        'numpy = "2.0.0"',
        'numpy = { version = "2.0.0", hold = true }',
        "unknown key `hold`",
        "",
        "`held`?",
    ),
    "pin-table-version": ('numpy = "2.0.0"', "numpy = { held = true }", "has no `version`", "(pins.numpy.version)", ""),
    "pin-table-dots": ('numpy = "2.0.0"', 'numpy = "2.0.0"\npyannote.audio = "3"', "got a table", "", "quote a name"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_bad_input(family: Project, case: tuple[str, str, str, str, str]) -> None:
    old, new, message, place, hint = case
    assert old in FAMILY
    family.write(FAMILY.replace(old, new, 1) if old != "torch = " else SMALL + COMPAT.replace(old, new, 1))
    before = family.tree
    ran = family.run("compat", "--offline")
    assert ran.code == 2, ran.err
    assert message in ran.err
    assert "versions.toml:" in ran.err
    assert place in ran.err
    assert hint in ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert family.tree == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--offline", "--live"], "are mutually exclusive"),
        (["--json", "--markdown"], "are mutually exclusive"),
        (["--merge"], "--merge requires the files of the shards"),
        (["--shard", "3/2"], "is not a valid shard"),
        (["--shard", "0/2"], "is not a valid shard"),
        (["--shard", "x"], "is not a valid shard"),
        (["torch=9"], "torch has no value '9'"),
        (["cuda"], "does not name an axis"),
    ],
)
def test_bad_arguments(family: Project, arguments: list[str], message: str) -> None:
    ran = family.run("compat", *arguments)
    assert (ran.code, message in ran.err) == (2, True)
    assert not (family.root / FILE).exists()


def test_without_the_table(small: Project) -> None:
    ran = small.run("compat")
    assert (ran.code, "versions.toml has no [compat]" in ran.err) == (2, True)


def test_a_pair_declared_in_versions_toml_is_used(family: Project) -> None:
    family.write(FAMILY.replace('">=2.4"', '["9.1"]') + '[compat.pairs."9.1"]\ntorchaudio = "9.1"\n')
    found = cells(family.ok("compat", "--json").out)
    assert found["python=3.11 torch=9.1 numpy=2.0.0 variant=cuda"] == {"ml:cuda": "unknown"}


# -- lockgen pairs -------------------------------------------------------------


def test_pairs_are_read_from_the_default_index(project: Project, index: LocalIndex) -> None:
    tag = "cp311-cp311-manylinux_2_28_x86_64"
    index.add("torch", "9.1.0", ["nvidia-cuda-runtime-cu12==12.6.77"], tag=tag)
    index.add("torch", "9.2.0", tag=tag)
    index.add("torchaudio", "9.1.0", ["torch==9.1.0"], tag=tag)
    index.add("torchaudio", "9.2.0", tag=tag)
    index.add("torchvision", "0.91.0", ["torch==9.1.0"], tag=tag)
    rows = [line.split() for line in project.ok("pairs", "--refresh").out.splitlines()]
    assert ["9.1.0", "9.1.0", "0.91.0", "cu126", "3.11", "to", "3.11"] in rows
    assert ["9.2.0", "?", "?", "?", "3.11", "to", "3.11"] in rows
    assert ["2.5.1", "2.5.1", "0.20.1"] in [row[:3] for row in rows], "the shipped table is included"
    written = (project.root / "locks/pairs.json").read_text()
    assert project.ok("pairs", "--json").out == written
    project.ok("pairs", "--refresh")
    assert (project.root / "locks/pairs.json").read_text() == written


def test_an_index_without_torch_changes_no_table(project: Project, index: LocalIndex) -> None:
    ran = project.run("pairs", "--refresh")
    assert (ran.code, "no wheel of torch" in ran.err) == (4, True)
    assert project.tree == {}


def test_ctrl_c_of_the_real_command(family: Project, requests: list[Request], monkeypatch: pytest.MonkeyPatch) -> None:
    solve = Uv.solve

    def stopping(self: Uv, request: Request) -> Solution:
        if len(requests) >= 3:
            raise KeyboardInterrupt
        return solve(self, request)

    with monkeypatch.context() as patched:
        patched.setattr(Uv, "solve", stopping)
        ran = family.run("compat", "--jobs", "1")
    assert ran.code == 130
    assert "interrupted: finished cells are cached" in ran.err
    assert " resolves" in ran.out
    assert not (family.root / FILE).exists(), "only a complete matrix is written"
    first = (requests[0].target, requests[0].requirements, requests[0].constraints)
    requests.clear()
    family.ok("compat")
    assert requests
    again = {(request.target, request.requirements, request.constraints) for request in requests}
    assert first not in again, "finished requests are not repeated"


def test_cells_are_installed_for_real(family: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages that can be downloaded are installed. The index of torch is unreachable, so that group is unknown."""
    monkeypatch.setenv("COLUMNS", "40")  # so narrow that uv would wrap a URL
    cell = "python=3.11 torch=2.5.1 numpy=2.0.0 variant=cpu"
    ran = family.ok("compat", "--install", "--json", cell)
    results = {r["group"]: r["installed"] for r in json.loads(ran.out)["cells"][0]["results"]}
    assert results["base:cpu"] == {"status": "yes", "reason": "", "native": []}
    assert results["ml:cpu"]["status"] == "unknown"
    assert "index.example" in results["ml:cpu"]["reason"]
    assert f"{cell}, base:cpu: installed: yes" in ran.err


def test_live_indexes_give_the_same_results_as_their_records(family: Project) -> None:
    """A live index is read for every Python and version of the axes. A file that is missing there does not exist."""

    def read(path: str) -> bytes:
        return (family.root / path).read_bytes()

    records = {name: parse_record(read, f"locks/index/{name}", name) for name in ("cu121", "cpu")}
    with serving(RecordedIndexes(records)) as (base, _):
        for name in records:
            family.write(
                (family.root / "versions.toml")
                .read_text()
                .replace(f"https://index.example/whl/{name}", f"{base}/{name}/simple/")
            )
        recorded = cells(family.ok("compat", "--json").out)
        live = cells(family.ok("compat", "--json", "--live", "--no-cache").out)
    sure = {"unknown": "no"}
    assert live == {n: {g: sure.get(s, s) for g, s in found.items()} for n, found in recorded.items()}
    assert {status for found in live.values() for status in found.values()} == {"yes", "no"}
    assert family.run("compat", "--live", "--json", "--no-cache").code == 4, "the index is no longer served"


def test_the_page_and_the_list_of_cells(family: Project) -> None:
    names = family.ok("compat", "--list").out.splitlines()
    assert len(names) == 12, "without the excluded ones"
    page = family.ok("compat", "--html", names[0]).out
    assert page.startswith("<!DOCTYPE html>")
    assert names[0].partition(" ")[0].partition("=")[2] in page
