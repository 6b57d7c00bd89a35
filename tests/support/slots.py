"""A versions.toml with a slot for every string that reaches a generated file, and what people with bad intent write."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

from lockgen.lock.reader import parse_lock
from lockgen.manifest.reader import parse_manifest
from lockgen.outputs.generated_files import GeneratedFiles

LOCK = Path(__file__).parent.parent / "golden" / "system" / "locks" / "lock.json"

# Only strings differ: the lock of tests/golden/system fits every family that comes of it.
VERSIONS = """\
[family]
name = {family}
registry = {registry}
python = {python}
platform = {platform}
exclude-newer = 2025-06-01T00:00:00Z
build = [{built}]
user = {user}

[index.cu121]
url = {url}
packages = [{listed}, "torchaudio"]
recorded = {recorded}

[index.cpu]
url = "https://index.example/whl/cpu"
packages = ["torch", "torchaudio"]
recorded = "locks/index/cpu"

[variants.{variant}]
index = "cu121"
from = {image}
ppa = {ppa}
pins = {{ torch = {pin} }}

[variants.cpu]
index = "cpu"
from = "python:3.11-slim"
pins = {{ torch = "2.5.1+cpu" }}

[pins]
numpy = "2.0.0"

[common]
packages = ["numpy", "tqdm"]

[bases.base]
apt = [{system}]

[bases.{base}]
from = "base"
packages = ["torch"]

[stages.asr]
from = {base}
packages = ["speech[fast]"]

[stages.demux]
from = "base"
variants = ["cpu"]

[stages.{stage}]
from = "base"
packages = [{package}]
apt = [{apt}]
build-apt = [{build_apt}]
copy = [{copy}]
folders = [{folder}]
env = {{ {key} = {env} }}
entrypoint = {entrypoint}
preload = [{module}]
"""

DEFAULT = {
    "family": "small",
    "registry": "registry.example/team",
    "python": "3.11",
    "platform": "linux/amd64",
    "built": "ancient",
    "user": "appuser",
    "url": "https://index.example/whl/cu121",
    "listed": "torch",
    "recorded": "locks/index/cu121",
    "variant": "cuda",
    "image": "nvidia/cuda:12.1.0-runtime-ubuntu22.04",
    "ppa": "deadsnakes/ppa",
    "pin": "2.5.1+cu121",
    "system": "libgomp1",
    "base": "ml",
    "stage": "talk",
    "package": "ancient",
    "apt": "ffmpeg=7:5.1~1",
    "build_apt": "gcc",
    "copy": "shared",
    "folder": "out",
    "key": "MODE",
    "env": "fast",
    "entrypoint": "talk.py",
    "module": "tqdm download x",
}

EVIL = (
    "\nRUN evil",
    "\n",
    "\r\nUSER 0",
    "\\",
    "\\\nUSER 0",
    '"',
    "'",
    '"""',
    '" RUN="',
    "`id`",
    "$(id)",
    "${PATH}",
    "$PATH",
    "%{ if true }",
    "%%{x}",
    "$${x}",
    " # comment",
    "#",
    "; id",
    "&& id",
    "| id",
    "> /etc/passwd",
    "\nEOF\nUSER 0\n",
    " --mount=type=bind",
    "-oDebug=1",
    "../../etc",
    "/../..",
    "*",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "\x00",
    "\x1b[31m",
    "\u2028",
    "é",
)


def filled(values: dict[str, str]) -> str:
    """The text with ``values`` as TOML strings and keys."""
    return VERSIONS.format(**{name: _toml(value) for name, value in values.items()})


def _toml(value: str) -> str:
    return json.dumps(value).replace("\x7f", "\\u007f")


@cache
def rendered(**changed: str) -> dict[str, str]:
    """Every file of the family with ``changed`` values, as if the lock knew its names. Raises BadInput."""
    values = DEFAULT | changed
    manifest = parse_manifest(filled(values).encode())
    lock = parse_lock(LOCK.read_bytes(), "locks/lock.json")
    names = {"talk": values["stage"], "ml": values["base"], "cuda": values["variant"]}
    images = [
        replace(i, name=names.get(i.name, i.name), base=names.get(i.base or "", i.base), variant=_of(i.variant, names))
        for i in lock.images
    ]
    packages = [replace(p, variants=tuple(sorted(_of(v, names) for v in p.variants))) for p in lock.packages]
    own = {_of(variant, names): pins for variant, pins in lock.own_pins.items()}
    indexes = lock.indexes | {"cu121": values["url"]}
    lock = replace(lock, images=tuple(images), packages=tuple(packages), own_pins=own, indexes=indexes)
    written = GeneratedFiles(manifest, lock)
    return {path: data.decode() for path, data in (written.tree() | written.starters()).items()}


def _of(variant: str, names: dict[str, str]) -> str:
    return names.get(variant, variant)
