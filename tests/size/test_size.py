"""Sizes from the lock alone, the layouts compared with the limit, and budgets."""

from __future__ import annotations

import json
from typing import Any

from support.families import SMALL
from support.index import LocalIndex
from support.project import Project

from lockgen.core.sizes import Bytes, ImageSize, LayoutSize
from lockgen.size.render import images_text, layouts_text, unknown_text


def test_layers_add_up_and_no_layout_is_below_the_limit(small: Project) -> None:
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
    # Images do not share layers with equal packages: base:cpu and base:cuda have different base images.
    every = sum(layer["download"] for row in known.values() for layer in row["layers"])
    assert layouts["layered"]["unique"]["download"] == every
    assert data["limit"]["download"] <= layouts["layered"]["unique"]["download"]
    assert layouts["layered"]["unique"]["download"] < layouts["independent"]["unique"]["download"]


FORECAST = """\
image, and the layers it adds  download  installed
asr:cpu                          5.9 kB  >= 3.1 kB
  + asr:cpu                      2.0 kB     1.3 kB
asr:cuda                         7.1 kB  >= 3.8 kB
  + asr:cuda                     2.0 kB     1.3 kB
base:cpu                         1.9 kB     1.2 kB
  + common:cpu                   1.9 kB     1.2 kB
base:cuda                        1.9 kB     1.2 kB
  + common:cuda                  1.9 kB     1.2 kB
demux:cpu                        1.9 kB     1.2 kB
ml:cpu                           3.9 kB  >= 1.8 kB
  + ml:cpu                       2.0 kB  >= 0.6 kB
ml:cuda                          5.0 kB  >= 2.4 kB
  + ml:cuda                      3.1 kB  >= 1.2 kB

layout       download  x limit   installed  x limit  largest image
independent   27.7 kB     3.44  >= 14.8 kB     3.93      >= 3.8 kB
monolith      13.0 kB     1.61   >= 6.9 kB     1.83      >= 3.8 kB
layered       13.0 kB     1.61   >= 6.9 kB     1.83      >= 3.8 kB
limit          8.1 kB     1.00   >= 3.8 kB     1.00
independent: each image by itself; monolith: one image for each variant;
layered: as lockgen builds it; limit: every package once

`>=`: unknown sizes count as 0, also in the limit. To determine them:
  installed size of torch==2.5.1+cpu
    lockgen index record cpu where that index can be reached, or lockgen index
    measure cpu WHEEL where the wheels are; then lockgen resolve
  installed size of torch==2.5.1+cu121
    lockgen index record cu121 where that index can be reached, or lockgen index
    measure cu121 WHEEL where the wheels are; then lockgen resolve
"""

LARGE = """\
image, and the layers it adds     download   installed
ml:cuda                        >= 780.4 MB  >= 1.54 GB
  + ml:cuda                    >= 780.4 MB  >= 1.54 GB"""

KNOWN = """\
layout   download  x limit  installed  x limit  largest image
layered    0.1 MB     2.00     0.5 MB     2.00         0.2 MB
limit     64.5 kB     1.00     0.2 MB     1.00"""


def test_the_text_output(small: Project) -> None:
    small.ok("resolve")
    assert small.ok("size").out == FORECAST


def test_an_image_by_name_is_shown_alone(small: Project) -> None:
    small.ok("resolve")
    out = small.ok("size", "demux").out
    assert out.splitlines()[1].split()[0] == "demux:cpu"
    assert "torch" not in out
    assert "limit" not in out
    assert small.run("size", "unknown").code == 2


def test_large_sizes_are_shown_in_gigabytes() -> None:
    layer = Bytes(780_367_618, 1_540_000_000, frozenset({"torchaudio==2.5.1"}), frozenset({"torchaudio==2.5.1"}))
    below = Bytes(64_500, 250_000)
    image = ImageSize("ml", "cuda", (("ml:cuda", layer),), layer + below)
    assert images_text([image]) == LARGE
    known = LayoutSize("layered", (ImageSize("ml", "cuda", (), below),), below + below)
    assert layouts_text([known], below).startswith(f"{KNOWN}\n")
    assert unknown_text(known.unique, {}) == ""


def test_unknown_sizes_are_reported_with_their_remedies(small: Project) -> None:
    """torch comes from a record without installed sizes, so the output names it as unknown."""
    small.ok("resolve")
    data = json.loads(small.ok("size", "--json").out)
    assert "torch==2.5.1+cu121" in data["limit"]["unknown"]
    assert data["limit"]["unweighed"] == []
    (cpu, cu121) = data["mends"]
    assert cpu.startswith("lockgen index record cpu where that index can be reached, or lockgen index measure cpu")
    assert data["mends"][cu121] == ["torch==2.5.1+cu121"]


def test_installed_sizes_come_from_the_record(small: Project, index: LocalIndex) -> None:
    """Offline. The new record also makes the old lock stale."""
    small.ok("resolve")
    for name in ("cpu", "cu121"):
        path = small.root / f"locks/index/{name}/index.json"
        record = json.loads(path.read_text())
        for entry in record["projects"]["torch"]:
            entry["installed"] = 1_000_000
        path.write_text(json.dumps(record))
    assert "index cpu: changed since the lock was made" in small.run("check").out
    index.asked.clear()
    small.ok("resolve", "--offline")
    assert index.asked == []
    data = json.loads(small.ok("size", "--json").out)
    assert data["limit"]["unknown"] == []
    assert data["mends"] == {}
    lock = json.loads((small.root / "locks/lock.json").read_text())
    torch = [file for package in lock["packages"] if package["name"] == "torch" for file in package["files"]]
    assert [file["installed"] for file in torch] == [1_000_000, 1_000_000]
    assert "at least" not in small.ok("size").out
    assert small.run("check").code == 0


def test_both_resolvers_take_sizes_from_the_record(small: Project) -> None:
    path = small.root / "locks/index/cu121/index.json"
    record = json.loads(path.read_text())
    record["projects"]["torch"][1]["installed"] = 77
    path.write_text(json.dumps(record))
    small.ok("resolve", "--resolver", "pip-compile")
    assert '"installed": 77' in (small.root / "locks/lock.json").read_text()


def budgets(project: Project, text: str) -> list[dict[str, Any]]:
    project.write(text)
    project.ok("resolve")
    found = project.run("check", "--json")
    assert found.code == 1
    rows: list[dict[str, Any]] = json.loads(found.out)["findings"]
    return rows


def test_an_exceeded_budget_fails_the_check(small: Project) -> None:
    text = SMALL + '\n[budgets]\nmax-image = "1 kB"\n'
    (row,) = [row for row in budgets(small, text) if row["what"] == "image demux:cpu"]
    line = text.splitlines().index('max-image = "1 kB"') + 1
    known = json.loads(small.ok("size", "--json").out)["layouts"][2]["images"]
    (installed,) = [image["installed"] for image in known if image["image"] == "demux:cpu"]
    assert (row["path"], row["kind"], row["line"]) == ("versions.toml", "budget", line)
    assert (row["allowed"], row["installed"], row["over"]) == (1000, installed, installed - 1000)
    assert row["unknown"] == []
    message = (
        f"image demux:cpu takes {installed / 1000:.1f} kB: {(installed - 1000) / 1000:.1f} kB more than the 1.0 kB"
    )
    assert f"versions.toml:{line}: {message} of budgets.max-image" in small.run("check").out
    assert "To fix: raise budgets.max-image, or remove packages" in small.run("check").out


def test_a_budget_can_be_exceeded_by_known_sizes_alone(small: Project) -> None:
    """The known sizes alone exceed the budget."""
    rows = budgets(small, SMALL + '\n[budgets]\nmax-image = "1 kB"\n')
    (row,) = [row for row in rows if row["what"] == "image asr:cuda"]
    assert row["kind"] == "budget"
    assert row["over"] > 0
    assert row["unknown"] == ["torch==2.5.1+cu121"]
    assert "takes at least" in row["message"]


def test_a_budget_with_unknown_sizes_is_reported_as_unknown(small: Project) -> None:
    """An unknown size neither passes the check nor counts as too large."""
    rows = budgets(small, SMALL + '\n[budgets]\nmax-image = "3 GB"\nmax-layer = "3 GB"\n')
    assert {row["kind"] for row in rows} == {"budget-unknown"}
    assert {row["what"] for row in rows} == {
        *(f"image {image}:{variant}" for image in ("asr", "ml") for variant in ("cpu", "cuda")),
        *(f"layer ml:{variant}" for variant in ("cpu", "cuda")),
    }
    assert all(row["over"] is None for row in rows)
    (row,) = [row for row in rows if row["what"] == "image asr:cpu"]
    assert row["unknown"] == ["torch==2.5.1+cpu"]
    assert "unknown whether image asr:cpu fits into the 3.00 GB of budgets.max-image" in row["message"]
    assert "more than" not in row["message"]
    assert "lockgen index record cpu" in row["mend"]


def test_an_exceeded_budget_does_not_prevent_builds(small: Project) -> None:
    """The image is large, but its files match the lock."""
    small.write(SMALL + '\n[budgets]\nmax-image = "1 kB"\n')
    small.ok("resolve")
    assert "demux:cpu" in small.ok("build", "--dry-run").out


def test_an_image_can_override_the_budget(small: Project) -> None:
    text = SMALL.replace("[stages.demux]\n", '[stages.demux]\nmax-image = "1 GB"\nmax-layer = "1 MiB"\n')
    text = text.replace("[bases.base]\n", '[bases.base]\nmax-layer = "10 B"\n')
    rows = budgets(small, text + '\n[budgets]\nmax-layer = "1 kB"\n')
    line = text.splitlines().index('max-layer = "10 B"') + 1
    own = [row for row in rows if row["what"].startswith("layer common:")]
    assert {(row["allowed"], row["line"]) for row in own} == {(10, line)}
    assert all("of bases.base.max-layer" in row["message"] for row in own)
    others = {row["what"]: row["allowed"] for row in rows if row not in own}
    assert others.keys() >= {"layer asr:cpu", "layer asr:cuda"}
    assert set(others.values()) == {1000}


def test_a_budget_that_is_not_a_size_is_rejected(small: Project) -> None:
    small.write(SMALL + '\n[budgets]\nmax-layer = "large"\n')
    failed = small.run("resolve")
    assert failed.code == 2
    assert "'large' is not a size" in failed.err
