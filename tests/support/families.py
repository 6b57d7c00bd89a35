"""Small families of images on a small index: torch with two accelerators, a legacy stage, extras and markers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from support.index import LocalIndex, metadata, wheel


def cpu_family(name: str, tables: str, *, settings: str = "") -> str:
    """The text of a family with a variant for CPUs, with ``settings`` as further lines of [family]."""
    more = f"{settings}\n" if settings else ""
    return f'[family]\nname = "{name}"\npython = "3.11"\n{more}\n[variants.cpu]\nfrom = "python:3.11-slim"\n\n{tables}'


def one_stage_family(*packages: str, settings: str = "") -> str:
    """The text of a family with the stage `api`, which lists ``packages``."""
    listed = ", ".join(f'"{package}"' for package in packages)
    tables = f'[bases.base]\n\n[stages.api]\nfrom = "base"\npackages = [{listed}]\n'
    return cpu_family("small", tables, settings=settings)


SMALL = """\
[family]
name = "small"
python = "3.11"
exclude-newer = 2025-06-01T00:00:00Z

[index.cu121]
url = "https://index.example/whl/cu121"
packages = ["torch", "torchaudio"]
recorded = "locks/index/cu121"

[index.cpu]
url = "https://index.example/whl/cpu"
packages = ["torch", "torchaudio"]
recorded = "locks/index/cpu"

[variants.cuda]
index = "cu121"
from = "nvidia/cuda:12.1.0-runtime-ubuntu22.04"
pins = { torch = "2.5.1+cu121" }

[variants.cpu]
index = "cpu"
from = "python:3.11-slim"
pins = { torch = "2.5.1+cpu" }

[pins]
numpy = "2.0.0"

[common]
packages = ["numpy", "tqdm"]

[bases.base]

[bases.ml]
from = "base"
packages = ["torch"]

[stages.asr]
from = "ml"
packages = ["speech[fast]"]

[stages.demux]
from = "base"
variants = ["cpu"]
"""


def add_small_packages(index: LocalIndex) -> None:
    """What SMALL needs, and what must not be selected: newer builds, other platforms, unrequested extras."""
    index.add("numpy", "1.26.4")
    index.add("numpy", "2.0.0")
    index.add("numpy", "2.0.0", tag="cp311-cp311-manylinux_2_17_x86_64")
    index.add("numpy", "2.0.0", tag="cp311-cp311-win_amd64")
    index.add("numpy", "2.1.0", uploaded="2025-07-01T00:00:00Z")
    index.add("tqdm", "4.66.0", ['colorama ; sys_platform == "win32"'])
    index.add("tqdm", "4.67.0", uploaded="2025-07-01T00:00:00Z")
    index.add("filelock", "3.0.0")
    index.add("filelock", "3.1.0")
    index.add("torch", "2.9.0", ["filelock"])
    index.add("nvidia-cublas", "12.1")
    index.add(
        "speech",
        "1.0",
        ["numpy>=1.26", "torch>=2.4", 'rapid>=2 ; extra == "fast"', 'slow ; extra == "slow"'],
        extras=["fast", "slow"],
    )
    index.add("rapid", "2.0", ["filelock<3.1"])
    index.add("rapid", "1.0")
    index.add("slow", "1.0")
    index.add("colorama", "1.0")


def write_record(root: Path, name: str, packages: list[tuple[str, str, list[str]]]) -> None:
    """A record of index ``name``, written without lockgen's help: one cp311 wheel for each package."""
    folder = root / f"locks/index/{name}"
    (folder / "metadata").mkdir(parents=True, exist_ok=True)
    projects: dict[str, list[dict[str, object]]] = {}
    for project, version, requires in packages:
        text = metadata(project, version, requires, [], None)
        file, data = wheel(project, version, "cp311-cp311-linux_x86_64", text)
        path = f"{project}-{version}.txt"
        (folder / "metadata" / path).write_text(text)
        projects.setdefault(project, []).append(
            {
                "name": file,
                "sha256": hashlib.sha256(data).hexdigest(),
                "size": len(data),
                "metadata": {"file": path, "sha256": hashlib.sha256(text.encode()).hexdigest()},
            }
        )
    document = {"format": 1, "name": name, "url": f"https://index.example/whl/{name}", "projects": projects}
    (folder / "index.json").write_text(json.dumps(document))


def add_small_records(root: Path) -> None:
    cublas = 'nvidia-cublas==12.1 ; platform_system == "Linux"'
    write_record(
        root,
        "cu121",
        [
            ("torch", "2.4.1+cu121", ["filelock", cublas]),
            ("torch", "2.5.1+cu121", ["filelock", cublas]),
            ("torchaudio", "2.5.1+cu121", ["torch==2.5.1"]),
        ],
    )
    write_record(root, "cpu", [("torch", "2.5.1+cpu", ["filelock"]), ("torchaudio", "2.5.1+cpu", ["torch==2.5.1"])])
