"""[update]: the policy that is read from it, and every fault with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.version import Version
from support.families import cpu_family

from lockgen.core.update_policy import GroupPolicy, Policy
from lockgen.errors import BadInput
from lockgen.manifest.reader import parse_manifest

ROOT = Path(__file__).parent.parent.parent
FAMILY = cpu_family(
    "voices",
    """\
[pins]
numpy = "1.0"
"pyannote.audio" = "3.0"
"pyannote.core" = "5.0"
whisperx = "3.0"

[bases.base]
packages = ["numpy", "pyannote.audio", "pyannote.core", "whisperx"]

""",
)


def policy(text: str) -> Policy:
    return parse_manifest((FAMILY + text).encode()).update


def faults(text: str) -> list[tuple[int, str]]:
    with pytest.raises(BadInput) as caught:
        policy(text)
    first = FAMILY.count("\n")
    return [((fault.place.line if fault.place else 0) or 0, fault.message) for fault in caught.value.faults if first]


def test_without_a_table_the_defaults_apply() -> None:
    assert policy("") == policy("[update]\n") == Policy()


def test_the_sample_of_the_documentation() -> None:
    text = (ROOT / "docs/update-policy.md").read_text()
    blocks = re.findall(r"^```toml\n(\[update\].*?)^```", text, re.MULTILINE | re.DOTALL)
    found = policy(blocks[0])
    assert found.groups == (
        GroupPolicy("speech", ("whisperx", "pyannote-*"), ("patch", "minor"), 7, images=("python",)),
    )
    assert found.groups[0].holds("pyannote-audio")
    assert found.ignore[0].covers("numpy", Version("3.0.1"))
    assert not found.ignore[0].covers("numpy", Version("2.9"))
    assert found.ignore[1].covers("nvidia/cuda", Version("12.4.1"), image=True)
    assert (found.base, found.prefix, found.forge, found.max_open) == ("main", "lockgen/", "github", 5)


def test_an_ignore_rule_for_a_variant_covers_only_its_own_pin() -> None:
    (entry,) = policy('[update]\nignore = [{ package = "NumPy", variant = "cpu", versions = ">=2" }]\n').ignore
    assert entry.covers("numpy", Version("2.1"), variants=("cpu",))
    assert entry.covers("numpy", Version("2.1"), variants=("cpu", "gpu"))
    assert not entry.covers("numpy", Version("2.1"))
    assert not entry.covers("numpy", Version("2.1"), variants=("gpu",))
    assert not entry.covers("numpy", Version("1.9"), variants=("cpu",))
    (everywhere,) = policy('[update]\nignore = [{ package = "numpy" }]\n').ignore
    assert everywhere.covers("numpy", Version("2.1"), variants=("cpu",))


def test_steps_of_a_group_are_those_of_the_table() -> None:
    found = policy('[update]\nsteps = ["patch"]\n[update.groups.a]\npackages = ["numpy"]\n')
    assert found.groups[0].steps == ("patch",)


def test_all_faults_are_reported_at_once_with_their_lines() -> None:
    text = """\
[update]
steps = ["patch", "patch", "huge"]
cooldown = -1
max-open = 0
labels = ["a,b", ""]
base = "-x y"
prefix = "lockgen"
forge = "bitbucket"
colour = "red"
ignore = [{ package = "numpy", version = "1" }]

[update.groups.Speech]
packages = []
"""
    found = dict(faults(text))
    first = FAMILY.count("\n")
    assert {line - first for line in found} == {2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13}
    assert "unknown key `colour`" in found[first + 9]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('[update.groups.a]\npackages = ["nunpy"]', 2, "no pin matches `nunpy`"),
        ('[update.groups.a]\npackages = ["torch*"]', 2, "no pin matches `torch*`"),
        ('[update.groups.first-seen]\npackages = ["numpy"]', 1, "a group cannot be called `first-seen`"),
        ('[update.groups.numpy]\npackages = ["whisperx"]', 1, "has the name of a package that it does not contain"),
        ('[update]\nbase = "a..b"', 2, "is not a valid branch name"),
        ('[update]\nprefix = "x.lock/"', 2, "is not a valid branch name"),
        ('[update.groups."a.lock"]\npackages = ["numpy"]', 1, "is not a valid branch name"),
        ('[update]\nignore = [{ package = "numpy", versions = "about 3" }]', 2, "is not a version specifier"),
        ('[update.groups.a]\nsteps = ["patch"]', 1, "group `a` is empty"),
        ('[update.groups.base-images]\npackages = ["numpy"]', 1, "the group `base-images` contains packages"),
        ('[update.groups.a]\nbase-images = ["debian"]', 2, "no variant has a base image that matches `debian`"),
        ('[update]\nignore = [{ reason = "of what?" }]', 2, "an entry needs either `package` or `base-image`"),
        ('[update]\nignore = [{ package = "numpy", base-image = "python" }]', 2, "an entry needs either `package` or"),
        ('[update]\nignore = [{ package = "numpy", variant = "gpu" }]', 2, "unknown variant `gpu`"),
        (
            '[update]\nignore = [{ base-image = "python", variant = "cpu" }]',
            2,
            "cannot have `variant`",
        ),
        ('[update]\nlabels = ["a", "a"]', 2, "`a` is named twice"),
    ],
)
def test_faults_beyond_the_schema(text: str, line: int, message: str) -> None:
    ((found, reported),) = faults(text)
    assert found - FAMILY.count("\n") == line
    assert message in reported


def test_a_pattern_in_two_groups_is_a_fault() -> None:
    text = '[update.groups.a]\npackages = ["numpy"]\n[update.groups.b]\npackages = ["numpy"]\n'
    assert "in group `a` already" in faults(text)[0][1]


def test_the_policy_is_not_an_input_of_the_lock(tmp_path: Path) -> None:
    from lockgen.io.workspace import Folder
    from lockgen.manifest.fingerprints import fingerprints

    one = parse_manifest(FAMILY.encode())
    two = parse_manifest((FAMILY + "[update]\ncooldown = 3\n").encode())
    assert fingerprints(one, Folder(tmp_path)) == fingerprints(two, Folder(tmp_path))
