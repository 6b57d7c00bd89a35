"""Sizes from the lock alone, the layouts beside the limit, and budgets."""

from __future__ import annotations

import json

from support.families import SMALL
from support.project import Project


def test_layers_add_up_and_no_layout_beats_the_limit(small: Project) -> None:
    small.ok("resolve")
    data = json.loads(small.ok("size", "--json").out)
    layouts = {row["layout"]: row for row in data["layouts"]}
    assert layouts.keys() == {"independent", "monolith", "layered"}
    known = {row["image"]: row for row in layouts["layered"]["images"]}
    below = {"base": None, "ml": "base", "asr": "ml", "demux": "base"}
    for tag, row in known.items():
        image, variant = tag.split(":")
        under = known[f"{below[image]}:{variant}"]["download"] if below[image] else 0
        assert row["download"] == under + sum(layer["download"] for layer in row["layers"])
    assert data["limit"]["download"] <= layouts["layered"]["unique"]["download"]
    assert layouts["layered"]["unique"]["download"] < layouts["independent"]["unique"]["download"]


def test_what_nobody_knows_is_said(small: Project) -> None:
    """torch comes from a record, which holds no sizes: it is named, and never counted as nothing."""
    small.ok("resolve")
    assert "torch==2.5.1+cpu" in small.ok("size").out
    rows = json.loads(small.ok("size", "--json").out)["limit"]["unknown"]
    assert "torch==2.5.1+cu121" in rows
    assert small.run("size", "nobody").code == 2


def test_a_budget_fails_the_check(small: Project) -> None:
    small.write(SMALL + '\n[budgets]\nmax-image = "1 kB"\n')
    small.ok("resolve")
    found = small.run("check")
    assert found.code == 1
    assert "image demux:cpu comes to" in found.out
    assert "budgets.max-image allows 1.0 kB" in found.out


def test_a_budget_that_nobody_can_promise(small: Project) -> None:
    small.write(SMALL + '\n[budgets]\nmax-image = "3 GB"\n')
    small.ok("resolve")
    found = small.run("check")
    assert found.code == 1
    assert "image asr:cpu comes to" in found.out
    assert "and what torch==2.5.1+cpu come to, which is unknown" in found.out
    assert "demux" not in found.out


def test_an_image_has_a_budget_of_its_own(small: Project) -> None:
    text = SMALL.replace("[stages.demux]\n", '[stages.demux]\nmax-image = "1 GB"\nmax-layer = "1 MiB"\n')
    small.write(text.replace("[bases.base]\n", '[bases.base]\nmax-layer = "10 B"\n'))
    small.ok("resolve")
    findings = json.loads(small.run("check", "--json").out)["findings"]
    assert {row["kind"] for row in findings} == {"budget"}
    assert all("bases.base.max-layer allows" in row["message"] for row in findings)


def test_a_budget_that_is_no_size(small: Project) -> None:
    small.write(SMALL + '\n[budgets]\nmax-layer = "large"\n')
    failed = small.run("resolve")
    assert failed.code == 2
    assert "'large' is not a size" in failed.err
