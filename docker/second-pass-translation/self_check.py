# Generated from versions.toml by `lockgen resolve`: edit that file, then run it again.
"""Check this image: compare versions with /app/lock.txt, and import what second-pass-translation requires."""

import importlib
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path

NEEDS = (
    "huggingface-hub",
    "librosa",
    "numpy",
    "protobuf",
    "pydantic",
    "pydantic-settings",
    "pysubs2",
    "python-dotenv",
    "python-json-logger",
    "requests",
    "rich",
    "scipy",
    "sentencepiece",
    "soundfile",
    "torch",
    "torchaudio",
    "tqdm",
    "transformers",
)
LOCK = Path(__file__).with_name("lock.txt")


def locked():
    """Package to version, of everything in the lock."""
    lines = re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK.read_text(), re.MULTILINE)
    return dict(lines)


def installed():
    """Package to version, of everything in this environment."""
    found = {}
    for entry in distributions(path=[path for path in sys.path if path.startswith(sys.prefix)]):
        found[re.sub(r"[-_.]+", "-", entry.metadata["Name"]).lower()] = entry.version
    return found


def modules(name):
    """The names of a distribution to import: its top-level modules and packages; `a.b` if `a` is only a namespace."""
    files = [str(path) for path in distribution(name).files or ()]
    packages = sorted({path.rpartition("/")[0] for path in files if path.endswith("/__init__.py")}, key=len)
    tops = []
    for package in packages:
        if not any(package == top or package.startswith(top + "/") for top in tops):
            tops.append(package)
    tops += [path.split(".")[0] for path in files if "/" not in path and path.endswith((".py", ".so"))]
    names = sorted({top.replace("/", ".") for top in tops if top.replace("/", "").replace("_", "a").isidentifier()})
    own = [n for n in names if re.sub(r"[-_.]+", "-", n).lower() == name]
    private = {"tests", "test", "docs", "examples", "benchmarks"}
    return own or [n for n in names if not n.startswith("_") and n.split(".")[0] not in private]


def run():
    """Print all problems. Returns 1 if there are any, else 0."""
    wrong = []
    want, have = locked(), installed()
    for name in sorted(want.keys() | have.keys()):
        if want.get(name) != have.get(name):
            wrong.append(f"{name}: locked {want.get(name, 'not at all')}, installed {have.get(name, 'not at all')}")
    for name in NEEDS:
        try:
            for module in modules(name):
                importlib.import_module(module)
        except PackageNotFoundError:
            pass  # reported above
        except Exception as error:  # an import may raise any exception
            wrong.append(f"{name}: cannot be imported: {type(error).__name__}: {error}")
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        packages = "1 package" if len(want) == 1 else f"{len(want)} packages"
        print(f"{packages} as locked, {len(NEEDS)} imported")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(run())
