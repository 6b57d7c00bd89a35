"""What a report of the supervisor means."""

from __future__ import annotations

import json

import pytest

from lockgen.proof.check_run import CannotRun, result_of
from lockgen.proof.model import Checks, ImportCheck

CHECKS = Checks((ImportCheck("one"),))


def report(*, gpu: bool = False, text: str = "", stopped: str = "", code: int = 0) -> str:
    """The supervisor's answer after the import of `one` raised an error with ``text``."""
    error = {"type": "OSError", "text": text, "by": "one", "cause": "", "module": "one"}
    events = [{"event": "begin", "name": "one"}, {"event": "end", "name": "one", "error": error}, {"event": "done"}]
    lines = "\n".join(map(json.dumps, events[:1] if stopped else events))
    step = {"code": code, "stopped": stopped, "seconds": 1, "memory": 1, "stdout": "", "stderr": "", "events": lines}
    return json.dumps({"format": 1, "gpu": gpu, "steps": [step]})


MISSING = "libgomp.so.1: cannot open shared object file: No such file or directory"
DRIVER = "libnvidia-ml.so.1: cannot open shared object file: No such file or directory"


def test_a_library_that_this_machine_lacks_may_be_in_the_image() -> None:
    found = result_of(CHECKS, report(text=MISSING), in_image=False)
    assert (found.status, found.reason) == ("unknown", "one needs libgomp.so.1, which this machine does not have")


def test_a_library_that_the_image_lacks_is_a_problem() -> None:
    found = result_of(CHECKS, report(text=MISSING), in_image=True)
    assert found.status == "no"
    assert [problem.text for problem in found.problems] == [f"one cannot be imported: OSError: {MISSING}"]


@pytest.mark.parametrize("in_image", [False, True])
@pytest.mark.parametrize("text", [DRIVER, "Found no NVIDIA driver on your system."])
def test_an_import_that_needs_a_gpu_is_unknown_without_one(text: str, in_image: bool) -> None:
    found = result_of(CHECKS, report(text=text), in_image=in_image)
    assert (found.status, found.reason, found.problems) == ("unknown", "one needs a GPU, which is not there", ())


def test_a_gpu_that_is_there_and_does_not_work_is_a_problem() -> None:
    assert result_of(CHECKS, report(text=DRIVER, gpu=True), in_image=True).status == "no"


def test_a_process_that_the_kernel_ended_for_memory_is_a_limit() -> None:
    (problem,) = result_of(CHECKS, report(stopped="kernel", code=-9), in_image=True).problems
    assert problem.kind == "limit"
    assert problem.text == "importing one: the kernel ended it, as memory ran out"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2, "gpu": false, "steps": []}', report()[:-9]])
def test_a_missing_or_damaged_report_is_no_result(text: str) -> None:
    with pytest.raises(CannotRun, match="ended without a report"):
        result_of(CHECKS, text, in_image=True)
