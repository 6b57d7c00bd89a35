"""Source distributions with incompatible build requirements: each is built with its own tools, without an index."""

from __future__ import annotations

from pathlib import Path

from support.index import LocalIndex
from support.tiny import docker, living

VERSIONS = """\
[family]
name = "tiny"
registry = "{registry}"
python = "3.11"
build = ["ancient", "modern", "plain"]

[variants.new]
from = "python:3.11-slim"

[variants.legacy]
from = "python:3.11-slim"
pins = {{ plain = "0.9" }}

[pins]
plain = "1.0"

[budgets]
max-image = "1 GB"  # so that wheels are built for their sizes

[bases.base]
env = {{ FAMILY = "{registry}" }}  # differs in each run, so no earlier build serves as a cache

[stages.mixed]
from = "base"
packages = ["ancient", "modern", "plain"]
"""


def add_packages(index: LocalIndex) -> None:
    for version in ("1.0", "2.0"):
        index.add_backend(version)
    index.add("ancient", "0.9", source=True, builds=["tinybackend<2"])
    index.add("modern", "1.0", source=True, builds=["tinybackend>=2"])
    index.add("plain", "0.9", source=True)
    index.add("plain", "1.0", source=True)


def test_each_source_distribution_is_built_with_its_own_tools(engine: None, tmp_path: Path) -> None:
    """`plain` differs per variant, so that the two variants also build from different files."""
    with living(tmp_path, VERSIONS, add_packages) as family:
        where = family.fetched()
        family.index.asked.clear()
        built = family.lost().ok("build", "--json", *where).json["images"]
        assert {row["image"] for row in built} == {"base:new", "base:legacy", "mixed:new", "mixed:legacy"}
        assert family.index.asked == []
        said = "import ancient, modern; print(ancient.BUILT_WITH, modern.BUILT_WITH)"
        for variant in ("new", "legacy"):
            reference = family.reference("mixed", variant)
            assert docker("run", "--rm", "--entrypoint", "python", reference, "-c", said) == "1.0 2.0"
            gone = "for path in /tools /tools-2 /wheels; do test ! -e $path; done"
            docker("run", "--rm", "--entrypoint", "sh", reference, "-euc", gone)
        family.ok("verify")
        forecast = family.ok("size", "--json").json
        assert forecast["limit"]["unknown"] == []
