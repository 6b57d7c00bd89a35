"""Fuzz every target for a while, guided by coverage: `nox -s fuzz -- --seconds 3600 [TARGET...]`.

Atheris is used because it follows the branches of lockgen and of the pure Python libraries below it: it finds the key
of a JSON object by itself. Hypothesis, which the property tests in `tests/` use, generates good values, but does not
see branches. HypoFuzz adds that, but fuzzes the values of a strategy and not bytes. Plain mutation sees nothing.

An input that fails is written to tests/fuzz/found/. Fix the kind, and add the smallest input to tests/fuzz/corpus/.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOUND = Path(__file__).parent / "found"
LARGEST_INPUT = 16_384
MEMORY_MB = 1024
SLOWEST = 10
"""Seconds for one input. A slower one counts as a hang."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz what reads text and archives from outside.")
    parser.add_argument("targets", nargs="*", help="names of targets (default: all)")
    parser.add_argument("--seconds", type=int, default=3600, help="for all targets together")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()
    if options.child:
        return fuzz(options.child, [*rest, *options.targets])
    from fuzz.targets import TARGETS

    names = options.targets or [*TARGETS]
    failed = [name for name in names if not run(name, max(1, options.seconds // len(names)))]
    print("failed: " + ", ".join(failed) if failed else f"{len(names)} targets, no failure")
    return 1 if failed else 0


def run(name: str, seconds: int) -> bool:
    """Fuzz one target in another process, which the fuzzer ends after a failure."""
    from fuzz.targets import CORPUS

    FOUND.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        # The fuzzer adds inputs to the folder: not to the corpus that is committed.
        seeds = shutil.copytree(CORPUS / name, Path(folder) / name)
        limits = [f"-max_total_time={seconds}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MEMORY_MB}"]
        limits += [f"-max_len={LARGEST_INPUT}", f"-artifact_prefix={FOUND}/{name}-", "-print_final_stats=1"]
        command = [sys.executable, __file__, "--child", name, *limits, str(seeds)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    tail = done.stderr.splitlines()[-40:]
    runs = next((line.split()[-1] for line in tail if "number_of_executed_units" in line), "?")
    print(f"{name}: {'ok' if not done.returncode else 'FAILED'}, {runs} runs", flush=True)
    if done.returncode:
        print("\n".join(line for line in done.stderr.splitlines() if not line.startswith("#"))[-4000:], flush=True)
    return not done.returncode


def fuzz(name: str, arguments: list[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["lockgen", "packaging", "tarfile"]):
        from fuzz.targets import TARGETS

    atheris.Setup([sys.argv[0], *arguments], TARGETS[name].run)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    sys.exit(main())
