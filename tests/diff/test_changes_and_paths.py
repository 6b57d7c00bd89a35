"""The output of `diff` and `why` for handmade locks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lockgen.core.lock import Dependency, File, Lock, LockedImage, Package
from lockgen.diff import render as rendering
from lockgen.diff.plan import compare
from lockgen.errors import BadInput
from lockgen.why import render as why_rendering
from lockgen.why.plan import why


def need(text: str) -> Dependency:
    name, _, rest = text.partition("[")
    extras, _, bound = rest.partition("]")
    bare = name.rstrip("<>=.0123456789")
    return Dependency(bare, tuple(extras.split(",")) if extras else (), bound or name[len(bare) :])


def package(pin: str, *needs: str, index: str | None = None, digest: str = "0", **extras: list[str]) -> Package:
    name, _, version = pin.partition("==")
    file = File(f"{name}-{version}-py3-none-any.whl", digest * 64, 1)
    asked = {extra: tuple(map(need, asks)) for extra, asks in extras.items()}
    return Package(name, version, index, ("cpu",), (file,), tuple(map(need, needs)), asked)


def lock(*packages: Package, requirements: dict[str, list[str]], common: tuple[str, ...] = ()) -> Lock:
    """``requirements`` are those of each image. The first image is the root base of all others."""
    root = next(iter(requirements))
    shared = tuple(map(need, common))
    images = tuple(
        LockedImage(name, "cpu", None if name == root else root, tuple(map(need, own)), shared if name == root else ())
        for name, own in requirements.items()
    )
    url = {"cu121": "https://index.example/whl/cu121"}
    return Lock("f", {"python": "3.11"}, {}, url, {}, images, tuple(sorted(packages, key=lambda p: p.sort_key)))


OLD = lock(
    package("up==1.0"), package("down==2.0"), package("gone==1.0"), package("same==1.0"), package("torch==2.5.1+cpu"),
    package("rebuilt==1.0", digest="0"),
    requirements={"base": ["same"], "asr": ["up", "down", "gone", "torch", "rebuilt"]},
)  # fmt: skip
NEW = lock(
    package("up==1.10"), package("down==1.9"), package("fresh==1.0"), package("same==1.0"),
    package("torch==2.5.1+cu121", index="cu121"), package("rebuilt==1.0", digest="1"),
    requirements={"base": ["same"], "asr": ["up", "down", "fresh", "torch", "rebuilt"]},
)  # fmt: skip


def test_every_kind_of_change() -> None:
    kinds = {change.change.name: change.change.kind for change in compare(OLD, NEW).packages}
    assert kinds == {
        "down": "down", "fresh": "added", "gone": "removed", "rebuilt": "refreshed", "torch": "moved", "up": "up",
    }  # fmt: skip
    assert [image.tag for image in compare(OLD, NEW).images] == ["asr:cpu"], "the packages of base did not change"


def test_equal_locks_have_no_changes_and_a_first_lock_is_all_new() -> None:
    assert not compare(NEW, NEW)
    first = compare(None, NEW)
    assert first.first
    assert {image.tag for image in first.added} == {"base:cpu", "asr:cpu"}
    assert rendering.text(compare(NEW, NEW)).strip() == "no changes"


def test_a_removed_image_and_a_changed_target() -> None:
    fewer = replace(NEW, images=NEW.images[:1], target={"python": "3.12"})
    changes = compare(NEW, fewer)
    assert [image.tag for image in changes.removed] == ["asr:cpu"]
    assert [(s.old, s.new) for s in changes.settings] == [("3.11", "3.12")]


def test_text_markdown_and_json_show_the_same_changes() -> None:
    changes = compare(OLD, NEW)
    text, table, data = rendering.text(changes), rendering.markdown(changes), rendering.as_json(changes)
    assert "up 1.0 -> 1.10" in " ".join(text.split())
    for name in ("up", "down", "fresh", "gone", "torch", "rebuilt"):
        assert name in text
        assert f"| {name} |" in table
        assert f'"{name}"' in json.dumps(data)
    assert data["format"] == 1


DIAMOND = lock(
    package("top==1", "left>=1", "right[x]"), package("left==1", "leaf<3"), package("right==1", x=["leaf>=1"]),
    package("leaf==2", "ring"), package("ring==1", "leaf"), package("lonely==1"), package("shared==1", "leaf"),
    requirements={"base": [], "asr": ["top"], "other": ["lonely"]}, common=("shared",),
)  # fmt: skip


def test_all_paths_lead_to_the_package_with_the_shortest_first() -> None:
    answer = why(DIAMOND, "Leaf")
    text = why_rendering.text(answer)
    assert "top (1) -> left>=1 (1) -> leaf<3 (2)" in text
    assert "top (1) -> right[x] (1) -> leaf>=1 (2)" in text
    assert "shared (1) -> leaf (2)" in text
    assert {dependent.name for dependent in answer.dependents} == {"left", "right", "ring", "shared"}
    lengths = [len(path.steps) for group in answer.groups for path in group.paths]
    assert max(lengths) == 3, "no path goes round the ring"
    assert why_rendering.as_json(answer)["package"] == "leaf"


def test_only_the_selected_images_are_searched() -> None:
    assert why(DIAMOND, "lonely", ["asr"]).groups == ()
    assert [group.images for group in why(DIAMOND, "lonely", ["other"]).groups] == [("other:cpu",)]
    for package_name, images in (("lonly", None), ("lonely", ["othr"])):
        with pytest.raises(BadInput) as raised:
            why(DIAMOND, package_name, images)
        assert "did you mean" in str(raised.value.faults[0].hint)


def test_a_graph_with_exponentially_many_paths_is_answered() -> None:
    layers = 30
    packages = [package("end==1")]
    for n in range(layers):
        below = [f"p{n + 1}x", f"p{n + 1}y"] if n + 1 < layers else ["end"]
        packages += [Package(f"p{n}{s}", "1", None, ("cpu",), packages[0].files, tuple(Dependency(b) for b in below))
                     for s in "xy"]  # fmt: skip
    answer = why(lock(*packages, requirements={"base": ["end"], "asr": []}), "end")
    assert answer.groups
    image = LockedImage("base", "cpu", None, (Dependency("p0x"),))
    deep = Lock("f", {}, {}, {}, {}, (image,), tuple(packages))
    group = why(deep, "end").groups[0]
    assert len(group.paths[0].steps) == layers + 1
    assert group.more > 0
