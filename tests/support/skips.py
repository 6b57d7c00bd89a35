"""A gate against skipped tests: where everything that tests need was installed, a skip is a failure.

`.ci/run` sets the variable as root on Debian, after its scripts started an engine, a browser and a simulator. Otherwise
a script that installs less than before would not be noticed.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

VARIABLE = "LOCKGEN_TEST_NO_SKIPS"
# Reasons of skips that no script of .ci can remove.
ALLOWED = {
    "user namespaces are not allowed on this machine": "bubblewrap needs them, and the kernel decides",
    "this machine has a GPU": "the test is about a machine without one",
    "the reference is Python 3.11 on linux/amd64": "the tests run on the Python and the machine that are there",
}
PREFIX = "Skipped: "


class NoSkips:
    """Turn skipped tests and modules into failures. xdist runs it in the workers, which send the changed reports."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        refuse_skip(report)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        refuse_skip(report)
        return report


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make ``report`` a failure if it is a skip, or an expected failure, without an allowed reason."""
    if not report.skipped:
        return
    reason = getattr(report, "wasxfail", None)
    if reason is None and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix(PREFIX)
    if reason in ALLOWED:
        return
    report.outcome = "failed"
    report.longrepr = f"skipped, and {VARIABLE} is set: {reason}\n{report.nodeid}"
    vars(report).pop("wasxfail", None)


def register(config: pytest.Config) -> None:
    if os.environ.get(VARIABLE):
        config.pluginmanager.register(NoSkips())
