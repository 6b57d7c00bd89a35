"""What a bound depends on: of a small lock, by hand."""

from __future__ import annotations

import pytest
from packaging.version import Version

from lockgen.core.lock import Dependency, File, Lock, LockedImage, Package
from lockgen.proof.bound_conditions import conditions_of
from lockgen.proof.model import Bound, BoundConditions, Problem, ProofBound
from lockgen.proof.run_document import bound_document, bound_from_document


def package(name: str, version: str, *requires: str, **extras: str) -> Package:
    return Package(
        name=name,
        version=version,
        index=None,
        variants=("cuda",),
        files=(File(f"{name}-{version}-py3-none-any.whl", "0" * 64),),
        requires=tuple(map(Dependency, requires)),
        extras={extra: (Dependency(other),) for extra, other in extras.items()},
    )


LOCK = Lock(
    family="voices",
    target={},
    inputs={},
    indexes={},
    own_pins={},
    images=(
        LockedImage("asr", "cuda", None, (Dependency("models", ("audio",)), Dependency("torch"), Dependency("ct2"))),
    ),
    packages=(
        package("models", "5.0", "tokens", "hub", audio="sound"),
        package("tokens", "2.0"),
        package("hub", "1.0", "requests"),
        package("requests", "2.32"),
        package("sound", "0.9"),
        package("torch", "2.5.1+cu121"),
        package("numpy", "2.3"),
        package("ct2", "4.4", "numpy"),
        package("elsewhere", "1.0"),
    ),
)


def conditions(problem: Problem, about: str = "models", moved: tuple[str, ...] = ()) -> BoundConditions:
    return conditions_of(LOCK, "asr:cuda", about, problem, {about, *moved})


def test_a_message_that_names_a_requirement_depends_on_that_alone() -> None:
    needed = Bound("models", "torch", ">=2.6")
    found = conditions(Problem("message", "models", "models disables its use of PyTorch", needed))
    assert found == BoundConditions((), needed)


def test_a_message_about_the_package_in_question_depends_on_who_wrote_it() -> None:
    """numpy 2 does not run beside ct2 4.4, and may beside 4.5."""
    found = conditions(Problem("message", "ct2", "compiled for NumPy 1", Bound("ct2", "numpy", "<2")), "numpy")
    assert found == BoundConditions((("ct2", "4.4"),))


def test_a_message_that_blames_its_own_package_depends_on_everything() -> None:
    found = conditions(Problem("message", "numpy", "a module does not work", Bound("numpy", "numpy", "<2")), "numpy")
    assert [name for name, _ in found.versions] == ["ct2", "hub", "models", "requests", "sound", "tokens", "torch"]


def test_an_error_depends_on_all_that_is_required_with_extras_but_not_on_what_moved_too() -> None:
    found = conditions(Problem("import", "models", "RuntimeError: no"), moved=("tokens",))
    assert found.versions == (("hub", "1.0"), ("requests", "2.32"), ("sound", "0.9"))


def test_an_error_depends_on_the_packages_that_it_names() -> None:
    found = conditions(Problem("import", "tokens", "cannot import name 'x' from 'torch.utils' (numpy/core)"), "tokens")
    assert found.versions == (("numpy", "2.3"), ("torch", "2.5.1+cu121"))


def test_a_test_depends_on_everything_that_did_not_move() -> None:
    found = conditions(Problem("test", "pytest tests", "it ended with exit code 1"), moved=("tokens", "hub"))
    assert [name for name, _ in found.versions] == ["ct2", "numpy", "requests", "sound", "torch"]


def test_a_requirement_of_a_package_that_is_not_there_counts_like_any_error() -> None:
    found = conditions(Problem("message", "hub", "hub requires flax", Bound("hub", "flax", ">=1")), "hub")
    assert found == BoundConditions((("requests", "2.32"),))


@pytest.mark.parametrize("needed", [None, Bound("models", "torch", ">=2.6")])
def test_a_bound_is_the_same_after_writing_and_reading(needed: Bound | None) -> None:
    bound = ProofBound(
        package="models",
        passed=None,
        failed="5.0",
        image="asr:cuda",
        reason="no",
        kind="message",
        by="models",
        refused=("5.0", "5.1"),
        before="4.9",
        conditions=BoundConditions((("hub", "1.0"),), needed),
    )
    assert bound_from_document(bound_document(bound)) == bound


@pytest.mark.parametrize(("version", "covered"), [("4.9", False), ("5.0", True), ("5.0+cu121", True), ("6", True)])
def test_a_bound_covers_all_later_versions(version: str, covered: bool) -> None:
    bound = ProofBound("models", "4.9", "5.0", "asr:cuda", "no")
    assert bound.covers(Version(version)) is covered
