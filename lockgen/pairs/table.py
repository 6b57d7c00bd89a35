"""The pair table: the shipped one, overridden by the project's own."""

from __future__ import annotations

from importlib.resources import files

from lockgen.core.compat_axes import Pairs, merged
from lockgen.core.layout import PAIRS_PATH as OWN
from lockgen.core.ports import Workspace
from lockgen.pairs.reader import parse_pairs


def shipped() -> Pairs:
    """The table that is part of the lockgen package."""
    # Read as a resource: lockgen may run from a zip file.
    data = files("lockgen.pairs").joinpath("torch.json").read_bytes()
    return parse_pairs(data, "lockgen/pairs/torch.json")


def known_pairs(workspace: Workspace, declared: Pairs) -> Pairs:
    """All known pairs: those ``declared`` in versions.toml, then the project's own table, then the shipped one.

    Raises:
        BadInput: the project's own table is invalid.
    """
    data = workspace.read(OWN)
    own = parse_pairs(data, OWN) if data is not None else {}
    # The last one takes precedence: what the user wrote by hand.
    return merged(merged(shipped(), own), declared)
