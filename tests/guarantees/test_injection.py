"""Guarantee 9: values of versions.toml stay data in Dockerfiles, shell, bake and Python, or they are rejected."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.budget import examples
from support.slots import DEFAULT, EVIL, LOCK, VERSIONS, rendered

from lockgen.errors import BadInput


def instructions(text: str) -> list[str]:
    """The instructions of a Dockerfile, by a simple parser for comments, continued lines and heredocs."""
    found: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found.append(line.split()[0])
        whole = line
        while whole.endswith("\\"):
            whole = next(lines)
        if (heredoc := re.search(r"<<'(\w+)'", whole)) is not None:
            while next(lines) != heredoc[1]:
                pass
    return found


def scripts(text: str) -> Iterator[str]:
    """The heredocs of a Dockerfile."""
    yield from re.findall(r"<<'EOF'[^\n]*\n(.*?)\nEOF\n", text, re.DOTALL)


def shape(tree: dict[str, str]) -> list[list[str]]:
    """The instructions of every Dockerfile, without their values."""
    return sorted(instructions(text) for path, text in tree.items() if path.endswith("/Dockerfile"))


def parses(text: str) -> bool:
    return subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True).returncode == 0


def judge(slot: str, value: str) -> bool:
    """Whether ``value`` is accepted, and changes no instruction. If not, the error has a place and a hint."""
    try:
        tree = rendered(**{slot: value})
    except BadInput as refused:
        for fault in refused.faults:
            assert fault.place is not None
            assert fault.place.line is not None
            assert fault.hint
        return False
    assert shape(tree) == shape(rendered())
    known = {script for text in rendered().values() for script in scripts(text)}
    for path, text in tree.items():
        assert path.count("/") <= 2, "no file is written elsewhere"
        assert ".." not in path.split("/")
        if path.endswith(".py"):
            ast.parse(text)
        if path.endswith("/Dockerfile"):
            assert all(parses(script) for script in scripts(text) if script not in known)
    return True


def test_the_reader_finds_injected_instructions() -> None:
    assert instructions("FROM a\nENV A=\"x\"\nRUN evil\nRUN <<'EOF'\nCOPY no\nEOF\nUSER \\\n 1\n") == [
        "FROM",
        "ENV",
        "RUN",
        "RUN",
        "USER",
    ]
    assert {"FROM", "ARG", "RUN", "ENV", "COPY", "USER", "ENTRYPOINT"} <= {
        word for file in shape(rendered()) for word in file
    }


@pytest.mark.parametrize("slot", DEFAULT)
def test_malicious_values_stay_values_or_are_rejected(slot: str) -> None:
    assert judge(slot, DEFAULT[slot]), "the ordinary value is accepted"
    for evil in EVIL:
        for value in (evil, DEFAULT[slot] + evil, evil + DEFAULT[slot], DEFAULT[slot][:1] + evil + DEFAULT[slot][1:]):
            judge(slot, value)


@given(
    st.sampled_from(sorted(DEFAULT)),
    st.text("aZ09 \n\r\t\"'`$\\{}()%#;&|<>*?[]~!=,.:/@+-_é\u2028\x7f", min_size=1, max_size=8),
    st.integers(0, 40),
)
@example("env", '%{if true}"', 0)
@settings(max_examples=examples(400))
def test_random_text_in_a_field_stays_a_value_or_is_rejected(slot: str, text: str, at: int) -> None:
    ordinary = DEFAULT[slot]
    judge(slot, ordinary[:at] + text + ordinary[at:])


def test_a_value_of_the_environment_is_unchanged() -> None:
    """All accepted punctuation: `%` and `~` are allowed, but nothing that Docker would expand."""
    value = "a b_c./:=,@%+~-% {"[:-2]
    text = rendered(env=value)[f"docker/{DEFAULT['stage']}/Dockerfile"]
    assert f'MODE="{value}"' in text


def test_names_are_unchanged_in_python_files() -> None:
    tree = rendered(stage="a.b__c-d")
    [call] = [
        node
        for node in ast.walk(ast.parse(tree["docker/a.b__c-d/talk.py"]))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "argparse.ArgumentParser"
    ]
    assert ast.literal_eval(call.keywords[0].value) == "a.b__c-d"


def test_the_family_and_its_lock_belong_together() -> None:
    """Otherwise the tests above would render nothing."""
    assert json.loads(LOCK.read_text())["family"] == "small"
    assert "{" in VERSIONS
