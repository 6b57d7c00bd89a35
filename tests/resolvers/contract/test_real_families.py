"""Twenty small families on the default index, resolved by both resolvers. Each difference has a reason in the table.

The cut-off makes the index stand still. Only pages and metadata are read: no wheel is downloaded, torch's neither.
The module takes 170 s of processor time from empty caches, so about two minutes with two workers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from support.generated import Nothing
from support.quiet import Silence

from lockgen.core.lock import Lock
from lockgen.core.manifest import Manifest
from lockgen.index.metadata import MetadataReader
from lockgen.io.http import Http
from lockgen.lock.engine import Engine
from lockgen.lock.writer import render_lock
from lockgen.manifest.fingerprints import fingerprints
from lockgen.manifest.reader import parse_manifest
from lockgen.outputs.generated_files import tree_of
from lockgen.resolvers import resolver

pytestmark = [pytest.mark.network, pytest.mark.slow]


@dataclass(frozen=True)
class Real:
    """A family of one base and one stage.

    ``differs`` are the packages that the resolvers lock in different versions (uv's, pip-compile's), and ``why`` both
    are right. Without it, both write the same bytes.
    """

    base: tuple[str, ...]
    stage: tuple[str, ...]
    pins: Mapping[str, str] = field(default_factory=dict)
    build: tuple[str, ...] = ()
    python: str = "3.11"
    variants: Mapping[str, str] = field(default_factory=lambda: {"cpu": ""})
    differs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    why: str = ""


FAMILIES = {
    # A requirement that only some patch releases of Python have: async-timeout below 3.11.3.
    "redis": Real(("redis",), ("hiredis",), {"redis": "5.2.1"}),
    "web": Real(("fastapi", "uvicorn[standard]"), ("jinja2", "python-multipart")),
    "queue": Real(("celery[redis]",), ("flower",)),
    "audio": Real(("librosa", "soundfile"), ("pydub",), {"numpy": "1.26.4"}),
    "language-models": Real(("transformers", "tokenizers"), ("sentencepiece",)),
    "tables": Real(("pandas", "scikit-learn"), ("pyarrow", "openpyxl")),
    "vision": Real(
        ("numpy", "opencv-python-headless"),
        ("pillow",),
        differs={"numpy": ("2.3.4", "2.2.6"), "opencv-python-headless": ("4.11.0.86", "4.12.0.88")},
        why="opencv 4.12 needs numpy<2.3, and 4.11 has no such bound: uv decides numpy first, pip opencv",
    ),
    "spacy": Real(("spacy",), ("typer",)),
    "gradio": Real(("gradio",), ("huggingface-hub[cli]",)),
    "aws": Real(("boto3",), ("s3transfer", "aiobotocore"), {"boto3": "1.40.61"}),
    "database": Real(("sqlalchemy[asyncio]", "asyncpg"), ("alembic", "psycopg[binary]")),
    "notebooks": Real(("ipykernel",), ("ipywidgets", "nbconvert")),
    "grpc": Real(("grpcio", "protobuf"), ("grpcio-status", "tensorboard")),
    "sources": Real(("antlr4-python3-runtime",), ("omegaconf",), build=("antlr4-python3-runtime",)),
    "lightning": Real(("lightning-utilities",), ("tensorboard", "fsspec[http]")),
    "extras": Real(("requests[socks]", "httpx[http2,socks]"), ("coverage[toml]", "pyjwt[crypto]")),
    # PyYAML>=5.1.*, which PEP 440 never allowed; and metadata of 2020.
    "old-specifiers": Real(("omegaconf",), ("kombu", "pytz"), {"omegaconf": "2.0.6", "kombu": "4.6.11"}),
    # The default index's torch needs 14 packages of CUDA.
    "torch": Real(("torch",), ("torchvision",), {"torch": "2.5.1", "torchvision": "0.20.1"}),
    "another-python": Real(("numpy", "scipy"), ("numba",), python="3.13"),
    "two-variants": Real(
        ("numpy",), ("pandas",), {"pandas": "2.2.3"}, variants={"new": "", "old": 'pins = { numpy = "1.26.4" }'}
    ),
}


@pytest.fixture
def shared_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches for all workers: several families have the same packages."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    for name in ("UV", "LOCKGEN"):
        monkeypatch.setenv(f"{name}_CACHE_DIR", str(root / f"real-families-{name}"))


def toml(name: str, family: Real) -> str:
    lines = [
        "[family]",
        f'name = "{name}"',
        f'python = "{family.python}"',
        "exclude-newer = 2025-11-04T00:00:00Z",
        f"build = {json.dumps(family.build)}",
    ]
    for variant, more in family.variants.items():
        lines += [f"[variants.{variant}]", f'from = "python:{family.python}-slim"', more]
    lines += ["[pins]", *(f'{package} = "{version}"' for package, version in family.pins.items())]
    lines += ["[bases.base]", f"packages = {json.dumps(family.base)}"]
    lines += ["[stages.app]", 'from = "base"', f"packages = {json.dumps(family.stage)}"]
    return "\n".join(lines) + "\n"


def resolved(manifest: Manifest, name: str, bounds: tuple[str, ...] = ()) -> Lock:
    """The lock by one resolver, within ``bounds``."""
    http = Http()
    engine = Engine(resolver(name, http), MetadataReader(http), {}, Silence(), bounds=bounds)
    return engine.resolve(manifest, fingerprints(manifest, Nothing()), None)


def versions(lock: Lock) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package in lock.packages:
        found.setdefault(package.name, set()).add(package.version)
    return found


def differences(one: Lock, other: Lock) -> dict[str, tuple[str, str]]:
    mine, theirs = versions(one), versions(other)
    found = {}
    for package in sorted(mine.keys() | theirs.keys()):
        pair = tuple(" and ".join(sorted(side.get(package, {"none"}))) for side in (mine, theirs))
        if pair[0] != pair[1]:
            found[package] = (pair[0], pair[1])
    return found


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.usefixtures("shared_caches")
def test_both_resolvers_lock_the_same_or_the_difference_is_known(name: str) -> None:
    family = FAMILIES[name]
    manifest = parse_manifest(toml(name, family).encode())
    by_uv, by_pip = resolved(manifest, "uv"), resolved(manifest, "pip-compile")
    assert differences(by_uv, by_pip) == family.differs
    assert bool(family.why) == bool(family.differs)
    if not family.differs:
        assert render_lock(by_uv) == render_lock(by_pip)
        assert tree_of(manifest, by_uv) == tree_of(manifest, by_pip)
        return
    # Both are right: each resolver accepts the versions of the other, and then writes the same bytes.
    bounds_of_pip = tuple(f"{package}=={pair[1]}" for package, pair in family.differs.items())
    bounds_of_uv = tuple(f"{package}=={pair[0]}" for package, pair in family.differs.items())
    assert render_lock(resolved(manifest, "uv", bounds_of_pip)) == render_lock(by_pip)
    assert render_lock(resolved(manifest, "pip-compile", bounds_of_uv)) == render_lock(by_uv)


def test_there_are_twenty_families() -> None:
    assert len(FAMILIES) == 20
