"""Find and show the warnings about a project."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from lockgen.core.lock import Lock
from lockgen.core.toml_positions import dotted
from lockgen.errors import BadInput, Fault
from lockgen.io.console import render_fault
from lockgen.io.workspace import Folder
from lockgen.manifest.fingerprints import Inputs
from lockgen.warnings.model import FamilyWarning, WarningContext
from lockgen.warnings.rules.cut_off import CUT_OFF
from lockgen.warnings.shared_paths import shared_paths
from lockgen.warnings.table import find_warnings


def family_warnings(
    folder: Folder, inputs: Inputs, lock: Lock, unknown_extras: Sequence[str] = ()
) -> list[FamilyWarning]:
    """The warnings about versions.toml and its lock. Those in ``unknown_extras`` are known only after resolving."""
    context = WarningContext(
        manifest=inputs.manifest,
        lock=lock,
        now=datetime.now(UTC),
        is_folder=folder.has_folder,
        unknown_extras=tuple(unknown_extras),
        shared_paths=shared_paths(lock),
    )
    return find_warnings(context)


def texts(warnings: Sequence[FamilyWarning], inputs: Inputs) -> list[str]:
    """Each warning as an error is printed: message, place, hint."""
    return [render_fault(_fault(warning, inputs), label="warning") for warning in warnings]


def are_lasting(warnings: Sequence[FamilyWarning]) -> bool:
    """Whether the same files will always have these warnings, whatever the time is."""
    return all(warning.rule != CUT_OFF for warning in warnings)


def refuse_warnings(warnings: Sequence[FamilyWarning], inputs: Inputs) -> None:
    """--strict: every warning is an error.

    Raises:
        BadInput: there are warnings.
    """
    if warnings:
        raise BadInput.of(_fault(warning, inputs) for warning in warnings)


def as_json(warnings: Sequence[FamilyWarning], inputs: Inputs) -> list[dict[str, object]]:
    """The warnings as JSON; ``line`` is the one in versions.toml, or null."""
    return [
        {
            "rule": warning.rule,
            "message": warning.message,
            "path": dotted(warning.path),
            "line": inputs.place(warning.path).line if warning.path else None,
            "hint": warning.hint,
        }
        for warning in warnings
    ]


def _fault(warning: FamilyWarning, inputs: Inputs) -> Fault:
    place = inputs.place(warning.path) if warning.path else None
    return Fault(warning.message, place, warning.hint)
