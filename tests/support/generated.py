"""Random families: hypothesis draws packages, indexes, variants, bases, stages and pins."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from hypothesis import strategies as st

from lockgen.core.index import CoreMetadata, ExplicitIndex, IndexFile, ProjectPage
from lockgen.lock.engine import Engine
from lockgen.lock.reader import parse_lock
from lockgen.manifest.fingerprints import fingerprints
from lockgen.manifest.reader import parse_manifest
from lockgen.outputs.generated_files import tree_of
from support.backtracking import Backtracking
from support.index import LocalIndex, metadata, wheel
from support.quiet import Silence

NAMES = ("alpha", "beta-lib", "gamma", "delta", "epsilon", "zeta.core", "eta", "theta")
VERSIONS = ("1.0", "1.5", "2.0", "2.1")
TORCH = ("torch", "torchaudio")
ACCELERATORS = ("cu121", "cpu")
USABLE_TAGS = ("py3-none-any", "cp311-cp311-manylinux_2_17_x86_64", "cp310-abi3-manylinux2014_x86_64")
OTHER_TAGS = ("cp311-cp311-win_amd64", "cp312-cp312-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_39_x86_64")
MARKERS = ("", "", "", ' ; python_version >= "3.8"', ' ; sys_platform == "win32"', ' ; python_version < "3.9"')
BOUNDS = ("", "", "", ">=1.0", ">=1.5", "<2.1", "!=1.5", "~=1.0")

Release = tuple[str, ...]
"""The Requires-Dist lines of one release."""


@dataclass(frozen=True)
class Universe:
    """What there is: name to version to needs and tags; ``torch`` likewise, for each accelerator."""

    releases: Mapping[str, Mapping[str, tuple[Release, tuple[str, ...]]]]
    torch: Mapping[str, Mapping[str, Release]]

    def index(self) -> LocalIndex:
        index = LocalIndex()
        for name, versions in self.releases.items():
            for version, (needs, tags) in versions.items():
                for tag in tags:
                    index.add(name, version, needs, tag=tag, extras=["more"])
        # What a family that takes torch from elsewhere would get by mistake.
        for name in TORCH:
            index.add(name, "9.9", [])
        return index

    def explicit(self, accelerator: str) -> ExplicitIndex:
        pages: dict[str, ProjectPage] = {}
        known: dict[str, CoreMetadata] = {}
        for name in TORCH:
            files = []
            for version, needs in self.torch[name].items():
                built = f"{version}+{accelerator}"
                file, data = wheel(name, built, "cp311-cp311-linux_x86_64", metadata(name, built, needs, [], None))
                url = f"https://index.example/whl/{accelerator}/{file}"
                files.append(IndexFile(file, url, hashlib.sha256(data).hexdigest(), len(data)))
                known[file] = CoreMetadata(name, built, None, needs)
            pages[name] = ProjectPage(name, tuple(files))
        return ExplicitIndex(accelerator, f"https://index.example/whl/{accelerator}", pages, known)


@dataclass(frozen=True)
class Image:
    base: str | None
    variants: tuple[str, ...]
    asks: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """As versions.toml says it."""

    variants: Mapping[str, tuple[str | None, Mapping[str, str]]]
    """Name to its index (None for none) and its own pins."""
    pins: Mapping[str, str]
    common: tuple[str, ...]
    bases: Mapping[str, Image]
    stages: Mapping[str, Image] = field(default_factory=dict)

    @property
    def images(self) -> Mapping[str, Image]:
        return {**self.bases, **self.stages}

    def chain(self, name: str) -> list[str]:
        base = self.images[name].base
        return [*(self.chain(base) if base else []), name]

    def with_pin(self, name: str, version: str) -> Family:
        return replace(self, pins={**self.pins, name: version})

    def toml(self, shuffle: int = 0) -> str:
        """The file; another ``shuffle`` is the same family in another order, spelling and with other comments."""
        chance = random.Random(shuffle)
        tables = [*self._indexes(), *self._variants(), *self._images(chance)]
        tables.append(("pins", [f"{_spelled(name, chance)} = {_text(v)}" for name, v in self.pins.items()]))
        tables.append(("common", [f"packages = {_list(self.common, chance)}"]))
        if shuffle:
            chance.shuffle(tables)
        family = '[family]\nname = "drawn"\npython = "3.11"\n'
        texts = [family]
        for name, lines in tables:
            if shuffle:
                chance.shuffle(lines)
            remark = f" # {chance.random()}" if shuffle else ""
            texts.append("\n".join([f"[{name}]{remark}", *lines]) + "\n")
        return "\n".join(texts)

    def _indexes(self) -> list[tuple[str, list[str]]]:
        used = {index for index, _ in self.variants.values() if index}
        listed = '["torch", "torchaudio"]'
        return [
            (f"index.{name}", [f'url = "https://index.example/whl/{name}"', f"packages = {listed}"])
            for name in sorted(used)
        ]

    def _variants(self) -> list[tuple[str, list[str]]]:
        tables = []
        for name, (index, pins) in self.variants.items():
            held = ", ".join(f'"{package}" = {_text(version)}' for package, version in pins.items())
            lines = ['from = "python:3.11-slim"', f"pins = {{ {held} }}"]
            tables.append((f"variants.{name}", lines + ([f'index = "{index}"'] if index else [])))
        return tables

    def _images(self, chance: random.Random) -> list[tuple[str, list[str]]]:
        tables = []
        for kind, images in (("bases", self.bases), ("stages", self.stages)):
            for name, image in images.items():
                lines = [f"packages = {_list(image.asks, chance)}", f"variants = {_list(image.variants, chance)}"]
                tables.append((f"{kind}.{name}", lines + ([f'from = "{image.base}"'] if image.base else [])))
        return tables


def _text(value: str) -> str:
    return f'"{value}"'


def _list(values: tuple[str, ...], chance: random.Random) -> str:
    return "[" + ", ".join(f"'{value}'" for value in chance.sample(values, len(values))) + "]"


def _spelled(name: str, chance: random.Random) -> str:
    return _text(chance.choice([name, name.upper(), name.replace("-", "_")]))


# A strategy costs more to make than to draw from, and an example draws from a hundred: each is made once.
@cache
def some(of: tuple[str, ...], least: int = 0, most: int | None = None) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(of), min_size=least, max_size=most, unique=True)


@cache
def one(of: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(of)


CHANCE = st.integers(0, 3)
NUMBER = st.integers(0, 9)
PINNED = st.dictionaries(st.sampled_from(NAMES), NUMBER, max_size=2)


@st.composite
def needs(draw: st.DrawFn, names: tuple[str, ...] = NAMES, most: int = 3) -> Release:
    """Requires-Dist lines: some behind a marker, some behind the extra ``more``, circles and all."""
    lines = []
    for name in draw(some(names, most=most)):
        extra = draw(one(("", "", "", "[more]")))
        marker = draw(one(MARKERS))
        if draw(CHANCE) == 0:
            marker = (marker + " and " if marker else " ; ") + 'extra == "more"'
        lines.append(f"{name}{extra}{draw(one(BOUNDS))}{marker}")
    return tuple(lines)


NEEDS = {most: needs(most=most) for most in (1, 2, 3)}


@st.composite
def universes(draw: st.DrawFn) -> Universe:
    releases = {}
    for name in NAMES:
        versions = draw(some(VERSIONS, 1, 3))
        tags, foreign = some(USABLE_TAGS, 1, 3), some(OTHER_TAGS, most=2)
        releases[name] = {v: (draw(NEEDS[3]), tuple(draw(tags) + draw(foreign))) for v in sorted(versions)}
    torch = {"torch": {v: draw(NEEDS[2]) for v in ("2.4", "2.5")}}
    torch["torchaudio"] = {v: (f"torch=={v}", *draw(NEEDS[1])) for v in ("2.4", "2.5")}
    return Universe(releases, torch)


@st.composite
def asks(draw: st.DrawFn, names: tuple[str, ...] = NAMES, most: int = 3) -> tuple[str, ...]:
    return tuple(f"{name}{draw(one(('', '', '[more]')))}" for name in draw(some(names, most=most)))


@st.composite
def families(draw: st.DrawFn, universe: Universe) -> Family:
    """Two variants with torch builds and perhaps one with its own pins; a chain of bases; stages on any of them."""
    pinned = draw(PINNED)
    pins = {name: _nth(universe, name, number) for name, number in pinned.items()}
    torch = draw(st.sampled_from(["2.4", "2.5"]))
    variants: dict[str, tuple[str | None, Mapping[str, str]]] = {}
    for index in draw(st.lists(st.sampled_from(ACCELERATORS), min_size=1, unique=True)):
        variants[index.replace("121", "da")] = (index, {"torch": f"{torch}+{index}"})
    plain = draw(st.booleans())
    if plain:
        name = draw(st.sampled_from(NAMES))
        variants["legacy"] = (None, {name: _nth(universe, name, draw(NUMBER))})
    builds = tuple(sorted(set(variants) - {"legacy"}))
    bases = {"root": Image(None, tuple(sorted(variants)), draw(asks(most=1)))}
    bases["ml"] = Image("root", builds, ("torch", *draw(asks(most=2))))
    if draw(st.booleans()):
        bases["second-root"] = Image(None, builds, draw(asks(NAMES + TORCH, most=2)))
    stages = {}
    for number in range(draw(st.integers(1, 4))):
        base = draw(st.sampled_from(sorted(bases)))
        offered = bases[base].variants
        chosen = draw(st.lists(st.sampled_from(offered), min_size=1, unique=True))
        names = NAMES + (TORCH if base != "root" else ())
        stages[f"stage-{number}"] = Image(base, tuple(sorted(chosen)), draw(asks(names)))
    return Family(variants, pins, draw(asks(most=2)), bases, stages)


def _nth(universe: Universe, name: str, number: int) -> str:
    versions = sorted(universe.releases[name])
    return versions[number % len(versions)]


def files_of(index: LocalIndex) -> Mapping[str, CoreMetadata]:
    resolver = Backtracking(index)
    return {name: resolver.index_metadata(name) for name in index.metadata}


class Nothing:
    """A workspace without files: these families have no recorded index."""

    def read(self, path: str) -> bytes | None:
        return None

    def replace(self, tree: Mapping[str, bytes | None]) -> list[str]:
        raise NotImplementedError


def resolve(universe: Universe, text: str, old: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """versions.toml to the tree, as the command does it, with everything in memory."""
    manifest = parse_manifest(text.encode())
    fake = Backtracking(universe.index())
    indexes = {name: universe.explicit(name) for name in manifest.indexes}
    engine = Engine(fake, fake, indexes, Silence())
    known = parse_lock(old["locks/lock.json"], "locks/lock.json") if old is not None else None
    return tree_of(manifest, engine.resolve(manifest, fingerprints(manifest, Nothing()), known))
