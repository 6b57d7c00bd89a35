"""Generated files install listed packages from the page of their index: layers, tools, and the script for both."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from lockgen.core.lock import File, Lock, Package, ToolSet
from lockgen.core.templating import source
from lockgen.lock.reader import parse_lock
from lockgen.manifest.reader import parse_manifest
from lockgen.outputs.generated_files import tree_of

GOLDEN = Path(__file__).parent.parent / "golden" / "backends"
TORCH = Package("torch", "2.5.1+cu121", "cu121", (), (File("torch-2.5.1+cu121-py3-none-any.whl", "a" * 64),))
PAGE = "https://index.example/whl/cu121/torch/"


def golden_lock() -> Lock:
    return parse_lock((GOLDEN / "locks/lock.json").read_bytes(), "locks/lock.json")


def rendered(lock: Lock) -> dict[str, str]:
    manifest = parse_manifest((GOLDEN / "versions.toml").read_bytes())
    return {path: data.decode() for path, data in tree_of(manifest, lock).items()}


@cache
def with_tools() -> dict[str, str]:
    """All files of a family in which both sets of tools contain a listed torch."""
    lock = golden_lock()
    more = tuple(ToolSet(tools.builds, (TORCH, *tools.packages)) for tools in lock.more_tools)
    return rendered(replace(lock, tools=(TORCH, *lock.tools), more_tools=more))


@pytest.mark.parametrize("number", ["", "-2"])
def test_requirement_files_of_tools_name_the_index(number: str) -> None:
    text = with_tools()[f"docker/requirements-build{number}.txt"]
    assert text.splitlines()[2] == "# From https://index.example/whl/cu121: torch"


@pytest.mark.parametrize(("image", "folder", "argument"), [("base", "/tools", ""), ("old", "/tools-2", "_2")])
def test_tools_take_listed_packages_from_their_page(image: str, folder: str, argument: str) -> None:
    text = with_tools()[f"docker/{image}/Dockerfile"]
    assert f'ARG TOOL_PAGES{argument}="{PAGE}"\n' in text
    install = (
        f"    python3.11 -m venv {folder} \\\n"
        f'    && python3.11 -IB /tools/by-index "${{TOOL_PAGES{argument}}}" /tmp/requirements.txt \\\n'
        f"        {folder}/bin/python -m pip install --no-deps --require-hashes --only-binary :all: ${{TOOL_SOURCES}}\n"
    )
    assert install in text
    if image == "base":
        assert text.index("COPY <<'EOF' /tools/by-index") < text.index(install)
    bake = with_tools()["docker/docker-bake.hcl"]
    assert f'    TOOL_PAGES{argument} = WHEELHOUSE == "" ? "{PAGE}" : ""\n' in bake


def test_a_family_without_listed_packages_has_no_script() -> None:
    lock = golden_lock()
    plain = [replace(package, index=None) for package in lock.packages]
    tree = rendered(replace(lock, packages=tuple(plain)))
    everything = "\n".join(tree.values())
    assert "by-index" not in everything
    assert "PAGES" not in everything
    assert "--no-build ${SOURCES} -r /tmp/requirements.txt" in tree["docker/ml/Dockerfile"]


def split(tmp_path: Path, pages: str, text: str, command: str) -> list[str]:
    """The exit code of the script and the commands that it runs: arguments, and requirements to install."""
    (tmp_path / "requirements.txt").write_text(text)
    (tmp_path / "by-index").write_text(source("outputs/templates/by_index.py.j2"))
    fake = [sys.executable, "-c", command]
    script = [sys.executable, "-IB", f"{tmp_path}/by-index", pages, f"{tmp_path}/requirements.txt", *fake]
    done = subprocess.run(script, capture_output=True, text=True)
    return [f"exit {done.returncode}", *done.stdout.splitlines()]


ECHO = "import sys; print(*sys.argv[1:-2], open(sys.argv[-1]).read().split())"


def test_the_script_installs_one_index_at_a_time(tmp_path: Path) -> None:
    text = (
        "# From https://a.example/cu121: torch, torchaudio\n"
        "alpha==1.0 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n"
        "flash-attn==2 \\\n    --hash=sha256:3\n"
        "torch==2.5.1+cu121 \\\n    --hash=sha256:4\n"
        "torchaudio==2.5.1+cu121\n"
        "torchvision==0.20.1 \\\n    --hash=sha256:6\n"
    )
    pages = "https://a.example/cu121/torch/ https://a.example/cu121/torchaudio/ https://b.example/x/flash-attn/"
    assert split(tmp_path, f"{pages} https://a.example/cu121/other/", text, ECHO) == [
        "exit 0",
        "--no-index --find-links=https://a.example/cu121/torch/ --find-links=https://a.example/cu121/torchaudio/"
        " ['torch==2.5.1+cu121', '\\\\', '--hash=sha256:4', 'torchaudio==2.5.1+cu121']",
        "--no-index --find-links=https://b.example/x/flash-attn/ ['flash-attn==2', '\\\\', '--hash=sha256:3']",
        "['alpha==1.0', '\\\\', '--hash=sha256:1', '\\\\', '--hash=sha256:2',"
        " 'torchvision==0.20.1', '\\\\', '--hash=sha256:6']",
    ]


def test_the_script_runs_nothing_without_requirements(tmp_path: Path) -> None:
    text = "# No packages: the layers below contain everything that is required.\n"
    assert split(tmp_path, PAGE, text, ECHO) == ["exit 0"]
    assert split(tmp_path, PAGE, "torch==2.5.1+cu121\n", ECHO)[1:] == [
        f"--no-index --find-links={PAGE} ['torch==2.5.1+cu121']"
    ]
    assert split(tmp_path, "", "torch==2.5.1+cu121\n", ECHO)[1:] == ["['torch==2.5.1+cu121']"]


def test_the_script_stops_at_a_failing_index(tmp_path: Path) -> None:
    failing = "import sys; print('ran'); sys.exit(3)"
    assert split(tmp_path, PAGE, "alpha==1.0\ntorch==2.5.1+cu121\n", failing) == ["exit 3", "ran"]
