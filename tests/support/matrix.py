"""A matrix in the terms of format 1, as small as a page needs to show all that it can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

Result = dict[str, Any]


def result(status: str, group: str = "ml:cuda", **more: object) -> Result:
    """A result of ``status``; ``more`` replaces what it has of itself."""
    base: Result = {"group": group, "images": ["asr", "ml"], "status": status, "changes": {}, "reason": ""}
    base |= {"detail": "", "versions": {}, "installed": None}
    if status in ("yes", "changes"):
        base["versions"] = {"numpy": "2.3.4", "torch": "2.5.1+cu121"}
    if status == "changes":
        base |= {"changes": {"whisperx": ["3.4.3", "3.3.1"]}, "reason": "whisperx moves"}
    if status == "no":
        base |= {
            "reason": "whisperx 3.4.3 requires torch>=2.5.1",
            "detail": "Because whisperx==3.4.3 depends on torch>=2.5.1",
        }
    if status == "unknown":
        base |= {"reason": "the index did not answer", "detail": "HTTP 503"}
    return base | more


def matrix(
    axes: Mapping[str, Sequence[str]],
    results: Mapping[tuple[str, ...], Sequence[Result] | None],
    *,
    groups: Sequence[tuple[str, str]] = (("ml:cuda", "cuda"),),
    family: str = "tiny",
) -> dict[str, Any]:
    """A matrix over ``axes``: every combination with a key in ``results`` is a cell, None is an excluded one."""
    cells = []
    for values in product(*axes.values()):
        if values not in results:
            continue
        found = results[values]
        at = dict(zip(axes, values, strict=True))
        name = " ".join(f"{axis}={value}" for axis, value in at.items())
        cells.append({"name": name, "at": at, "excluded": found is None, "results": list(found or ())})
    return {
        "format": 1,
        "family": family,
        "axes": [{"name": name, "values": list(values)} for name, values in axes.items()],
        "groups": [{"name": name, "variant": variant, "images": ["asr", "ml"]} for name, variant in groups],
        "cells": cells,
    }
