"""The pair table: the one that lockgen brings, and the project's own over it."""

from __future__ import annotations

from importlib.resources import files

from lockgen.core.compat_axes import Pairs, merged
from lockgen.core.layout import PAIRS_PATH as OWN
from lockgen.core.ports import Workspace
from lockgen.pairs.reader import parse_pairs

__all__ = ["OWN", "known_pairs", "shipped"]


def shipped() -> Pairs:
    """The table in the wheel."""
    return parse_pairs(files("lockgen.pairs").joinpath("torch.json").read_bytes(), "lockgen/pairs/torch.json")


def known_pairs(workspace: Workspace, declared: Pairs) -> Pairs:
    """All that is known: ``declared`` in versions.toml, else in the project's own table, else in lockgen's.

    Raises:
        BadInput: the project's own table cannot be read.
    """
    data = workspace.read(OWN)
    own = parse_pairs(data, OWN) if data is not None else {}
    return merged(merged(shipped(), own), declared)
