"""bench/IMAGES.md from what `nox -s bench-images` measured: data in, Markdown out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from past import STAND_INS

TITLES = {"before": "as it was", "by-hand": "optimised by hand", "ours": "lockgen's"}
_CPU_TORCH = re.compile(r"torch==(2\.8\.0|2\.0\.1|2\.2\.1) torchaudio")
_INSTALLS = "uv pip install"

HEAD = """\
# Images, measured

Written by `nox -s bench-images` (an engine for itself, some 80 GB of disk, two hours): the reference family built three times with
packages of full size. *As it was*: its Dockerfiles of 3 November 2025 (`families/before.toml`), unpinned packages as of the next day.
*Optimised by hand*: what its owners made of that (`families/by-hand.toml`). *lockgen's*: `families/versions.toml`, torch 2.3.1, which
on the default index is a CUDA 12.1 build.

Every image is built, pushed to a registry of the run and weighed by the engine's and the registry's own numbers: bytes of the files
in each layer, and of its blob. A layer counts once, whoever has it; layers of the public base images are left out.
"""


def report(results: Mapping[str, Any]) -> str:
    """The whole document. Families that were not measured are left out."""
    names = [name for name in TITLES if name in results]
    parts = [
        HEAD,
        _table(_summary(results, names)),
        _sentences(results),
        _stand_ins(),
        "## Each image",
        _images(results, names),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def unique(family: Mapping[str, Any], key: str, *, without_cpu_torch: bool = False) -> int:
    """Bytes (``unpacked`` or ``packed``) of the family's layers, each once."""
    layers = {layer["diff"]: layer for held in family["images"].values() for layer in held}
    return sum(
        layer[key] for layer in layers.values() if not (without_cpu_torch and _CPU_TORCH.search(layer["created_by"]))
    )


def _summary(results: Mapping[str, Any], names: list[str]) -> list[list[str]]:
    def row(title: str, cells: Iterable[str]) -> list[str]:
        return [title, *cells]

    held = [results[name] for name in names]
    return [
        ["", *(TITLES[name] for name in names)],
        row("images", (str(len(f["images"])) for f in held)),
        row("unique bytes of layers on disk", (_gb(unique(f, "unpacked")) for f in held)),
        row("the same in the registry", (_gb(unique(f, "packed")) for f in held)),
        row("all images, each by itself, on disk", (_gb(sum(map(_whole, f["images"].values()))) for f in held)),
        row("the largest image", (_gb(max(map(_whole, f["images"].values()))) for f in held)),
        row("cold build, downloads included", (f"{f['cold']:.0f} s" for f in held)),
        row("pushing all", (f"{f['push']:.0f} s" for f in held)),
        row("asr's program changed: rebuild", (_work(f["code"]) for f in held)),
        row("one pin of asr changed: rebuild", (_work(f["pin"]) for f in held)),
        row("measured", (f["on"] for f in held)),
    ]


def _work(work: Mapping[str, Any]) -> str:
    return f"{work['seconds']:.1f} s, {work['installs']} install steps"


def _whole(layers: Iterable[Mapping[str, Any]]) -> int:
    return sum(layer["unpacked"] for layer in layers)


def _sentences(results: Mapping[str, Any]) -> str:
    lines = []
    if "before" in results:
        family = results["before"]
        least = [_gb(unique(family, key, without_cpu_torch=True)) for key in ("unpacked", "packed")]
        lines.append(
            "* Three stages of the past took torch from the CPU index. Here they got a CUDA build of the same version: count those "
            f"layers as nothing, and the past is still {least[0]} on disk and {least[1]} in the registry. In two of the three "
            "(asr, diarization) an unpinned whisperx replaced that torch by a CUDA build of the default index, then as here."
        )
    if "by-hand" in results and "torch" in results["by-hand"]["more"]:
        more = results["by-hand"]["more"]
        lines.append(
            f"* `lockgen inspect` of the hand-made asr: torch {more['torch']['version']} of layer {more['torch']['layer']} is replaced by "
            f"{more['torch']['now']} in layer {more['torch']['by']}; {_gb(more['wasted']['bytes'])} of {more['wasted']['packages']} packages lie there for nothing."
        )
    if "ours" in results:
        lines += _ours(results["ours"])
    if "ours" in results and "by-hand" in results:
        ratios = [unique(results["ours"], key) / unique(results["by-hand"], key) for key in ("unpacked", "packed")]
        lines.append(f"* lockgen's of the hand-made: {ratios[0]:.2f} on disk, {ratios[1]:.2f} in the registry.")
    if lines:
        lines.append(f"* Machine: {results[next(iter(results))]['machine']}.")
    return "\n".join(lines)


def _ours(family: Mapping[str, Any]) -> list[str]:
    more = family["more"]
    python = {
        layer["diff"]: layer for held in family["images"].values() for layer in held if _INSTALLS in layer["created_by"]
    }
    on_disk = sum(layer["unpacked"] for layer in python.values())
    packed = sum(layer["packed"] for layer in python.values())
    faults = more["verify"]["faults"]
    verdict = "nothing wrong" if not faults else f"faults in {', '.join(faults)}"
    return [
        f"* Of the limit (every package once: {_gb(more['limit']['installed'])} installed, {_gb(more['limit']['download'])} of wheels) the "
        f"Python layers are {on_disk / more['limit']['installed']:.2f} x on disk ({_gb(on_disk)}), and their blobs {packed / more['limit']['download']:.2f} x "
        f"the wheels ({_gb(packed)}). What is not Python is system packages.",
        f"* `lockgen size` said before what each of {len(python)} Python layers would weigh: the engine's number differs by at most {_deviation(family):.3f} %.",
        f"* `lockgen verify` of {more['verify']['images']} images: {verdict}, in {more['verify']['seconds']:.0f} s.",
        f"* Not in the table: `lockgen resolve` from nothing {more['resolve']:.1f} s, after the pin {more['resolve-pin']:.1f} s.",
    ]


def _deviation(family: Mapping[str, Any]) -> float:
    """The largest difference of a forecast layer and the real one, in percent."""
    worst = 0.0
    for image, forecast in family["more"]["forecast"].items():
        real = [layer["unpacked"] for layer in family["images"][image] if _INSTALLS in layer["created_by"]]
        for expected, found in zip(reversed(forecast), reversed(real), strict=False):
            worst = max(worst, 100 * abs(expected - found) / found)
    return worst


def _stand_ins() -> str:
    return "What stands in for what cannot be had from every network:\n\n" + "\n".join(
        f"* {text}" for text in STAND_INS
    )


def _images(results: Mapping[str, Any], names: list[str]) -> str:
    found = {name: {image.partition(":")[0]: image for image in results[name]["images"]} for name in names}
    every = list(dict.fromkeys(image for name in names for image in found[name]))
    rows = [["GB on disk, of it above the family's bases", *(TITLES[name] for name in names)]]
    for image in every:
        cells = []
        for name in names:
            full = [tag for tag in results[name]["images"] if tag.partition(":")[0] == image]
            cells.append(" / ".join(_gb(_whole(results[name]["images"][tag])) for tag in full) or "-")
        rows.append([image, *cells])
    rows[0][0] = "image"
    return _table(rows)


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def _table(rows: list[list[str]]) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])
