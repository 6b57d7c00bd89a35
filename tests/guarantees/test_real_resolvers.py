"""The guarantees as properties of a few families, with the real resolvers and a real index."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support import guarantees
from support.budget import examples
from support.caches import use_own_caches
from support.generated import Family, Nothing, Universe, families, resolve, universes
from support.index import serving
from support.quiet import Silence

from lockgen.errors import NoResolution
from lockgen.index.metadata import MetadataReader
from lockgen.io.http import Http
from lockgen.lock.engine import Engine
from lockgen.manifest.fingerprints import fingerprints
from lockgen.manifest.reader import parse_manifest
from lockgen.outputs.generated_files import tree_of
from lockgen.resolvers import NAMES, resolver

EXAMPLES = {"uv": 15, "pip-compile": 6}


def resolved(universe: Universe, family: Family, name: str) -> dict[str, bytes] | None:
    """The generated files, None without a solution."""
    manifest = parse_manifest(family.toml().encode())
    indexes = {index: universe.explicit(index) for index in manifest.indexes}
    index = universe.index()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as caches, serving(index):
        patch.setenv("UV_DEFAULT_INDEX", index.url)
        patch.setenv("PIP_INDEX_URL", index.url)
        use_own_caches(patch, Path(caches))
        http = Http()
        engine = Engine(resolver(name, http), MetadataReader(http), indexes, Silence())
        try:
            return tree_of(manifest, engine.resolve(manifest, fingerprints(manifest, Nothing()), None))
        except NoResolution:
            return None


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_guarantee_holds(name: str) -> None:
    @settings(max_examples=examples(EXAMPLES[name]), deadline=None, suppress_health_check=list(HealthCheck))
    @given(universes().flatmap(lambda u: st.tuples(st.just(u), families(u))))
    def holds(drawn: tuple[Universe, Family]) -> None:
        universe, family = drawn
        tree = resolved(universe, family, name)
        try:
            resolve(universe, family.toml())
        except NoResolution:
            assert tree is None, "the resolver in memory finds no solution"
            assume(False)
        assert tree is not None, "the resolver in memory finds a solution"
        guarantees.check_all(universe, family, tree)

    holds()
