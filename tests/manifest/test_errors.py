"""Every fault of versions.toml: the message, the place, the hint, exit code 2, and no file touched."""

from __future__ import annotations

import pytest
from support.project import Project

GOOD = """\
[family]
name = "fam"
python = "3.11"

[index.cu121]
url = "https://index.example/whl/cu121"
packages = ["torch"]
recorded = "locks/index/cu121"

[variants.cuda]
index = "cu121"
from = "nvidia/cuda:12.1.0-runtime-ubuntu22.04"
pins = { torch = "2.5.1+cu121" }

[variants.cpu]
from = "python:3.11-slim"

[pins]
numpy = "2.0.0"

[common]
packages = ["numpy"]

[bases.base]
[bases.ml]
from = "base"
variants = ["cuda"]
packages = ["torch"]

[stages.asr]
from = "ml"
packages = ["scipy"]
copy = ["shared"]
apt = ["ffmpeg"]
env = { MODE = "fast" }
entrypoint = "asr.py"
"""

# old text, new text, what the message says, where, what the hint says
CASES = {
    "format-of-a-newer-lockgen": (
        "[family]",
        "format = 2\n[family]",
        "cannot read format 2",
        ":1:1 (format)",
        "newer lockgen",
    ),
    "format-that-is-true": ("[family]", "format = true\n[family]", "got a boolean", ":1:1 (format)", "format = 1"),
    "pin-with-a-space": (
        'numpy = "2.0.0"',
        'numpy = " 2.0.0"',
        "is not an exact version",
        ":19:1 (pins.numpy)",
        "2.0.0",
    ),
    "dots-without-quotes": (
        'numpy = "2.0.0"',
        'pyannote.audio = "3.4.0"',
        "expected a string, got a table",
        ":19:1 (pins.pyannote)",
        'quote a name with dots: "pyannote.audio"',
    ),
    "unknown-glibc": (
        'python = "3.11"',
        'python = "3.11"\nglibc = "2.99"',
        "not a glibc version that uv supports",
        ":4:1 (family.glibc)",
        "2.31 to 2.40",
    ),
    "python-of-the-past": ('python = "3.11"', 'python = "3.01"', "is not a Python version", ":3:1", "3.8"),
    "exclude-newer-out-of-range": (
        'python = "3.11"',
        'python = "3.11"\nexclude-newer = 0001-01-01T00:00:00+05:00',
        "exclude-newer is out of range",
        ":4:1 (family.exclude-newer)",
        "between 2 and 9998",
    ),
    "variant-called-as-the-lock": ("[variants.cpu]", '[variants."lock.json"]', "cannot be called", ":15:", "locks/"),
    "copy-of-git": (
        'copy = ["shared"]',
        'copy = [".git"]',
        "belongs to git",
        ":33:9 (stages.asr.copy[0])",
        "use another folder",
    ),
    "name-too-long": (
        "[stages.asr]",
        f"[stages.{'a' * 101}]",
        "has 101 characters, at most 100",
        ":30:9",
        "a shorter one",
    ),
    "byte-order-mark": ("[family]", "\ufeff[family]", "byte order mark", ":1:1", "UTF-8 without one"),
    "too-deep": ("[common]", f"x = {'[' * 5000}{']' * 5000}\n[common]", "nested too deeply", "", "less nesting"),
    "too-long-a-number": ("[common]", f"x = {'9' * 5000}\n[common]", "exceeds the limit", "", "shorter numbers"),
    "unknown-key": ('python = "3.11"', 'pyton = "3.11"', "unknown key `pyton`", ":3:1 (family.pyton)", "`python`?"),
    "unknown-table": ("[common]", "[comon]", "unknown key `comon`", ":21:2 (comon)", "`common`?"),
    "missing-key": ('name = "fam"\n', "", "[family] has no `name`", ":1:2 (family.name)", "add it"),
    "wrong-type": ('python = "3.11"', "python = 3.11", "expected a string, got a float", ":3:1 (family.python)", ""),
    "wrong-type-in-array": (
        'packages = ["scipy"]',
        'packages = ["scipy", 3]',
        "expected a string, got an integer",
        ":32:22 (stages.asr.packages[1])",
        "",
    ),
    "table-for-array": ('copy = ["shared"]', "copy = {}", "expected an array, got a table", ":33:1", ""),
    "python": ('"3.11"', '"3.11.100"', "'3.11.100' is not a Python version", ":3:1 (family.python)", '"3.11"'),
    "pre-release-of-python": ('"3.11"', '"3.11.0rc1"', "is not a Python version", ":3:1 (family.python)", "3.11.9"),
    "open-patch-release": ('"3.11"', '"3.11.*"', "is not a Python version", ":3:1 (family.python)", "3.11.9"),
    "exclude-newer-without-offset": (
        'python = "3.11"',
        'python = "3.11"\nexclude-newer = 2025-11-04T00:00:00',
        "exclude-newer has no UTC offset",
        ":4:1 (family.exclude-newer)",
        "2025-11-04T00:00:00Z",
    ),
    "exclude-newer-relative": (
        'python = "3.11"',
        'python = "3.11"\nexclude-newer = "1 week"',
        "expected a date-time with an offset, got a string",
        ":4:1 (family.exclude-newer)",
        "2025-11-04T00:00:00Z",
    ),
    "platform": (
        'python = "3.11"',
        'python = "3.11"\nplatform = "win"',
        "'win' is not one of 'linux/amd64'",
        ":4:1",
        "",
    ),
    "pin-range": ('numpy = "2.0.0"', 'numpy = ">=2"', "the pin '>=2' is not an exact version", ":19:1", 'numpy = "2"'),
    "pin-equals": ('numpy = "2.0.0"', 'numpy = "==2.0"', "'==2.0' is not an exact version", ":19:1", 'numpy = "2.0"'),
    "pin-wildcard": ('numpy = "2.0.0"', 'numpy = "2.0.*"', "'2.0.*' is not an exact version", ":19:1", 'numpy = "2.0"'),
    "pin-of-variant": (
        'torch = "2.5.1+cu121"',
        'torch = "latest"',
        "'latest' is not an exact version",
        ":13:10 (variants.cuda.pins.torch)",
        "all of it",
    ),
    "pin-name": ('numpy = "2.0.0"', '"num py" = "2.0.0"', "'num py' is not a package name", ":19:1", "PEP 508"),
    "package-name": ('["scipy"]', '["sci py"]', "'sci py' is not a requirement", ":32:13", '"numpy>=1.26"'),
    "package-shell": (
        '["scipy"]',
        '["scipy; rm -rf /"]',
        "is not a requirement",
        ":32:13 (stages.asr.packages[0])",
        "",
    ),
    "package-newline": ('["scipy"]', r'["scipy\nRUN evil"]', "contains U+000A", ":32:13", ""),
    "image-name-upper": ("[stages.asr]", "[stages.ASR]", "'ASR' is not an image name", ":30:", "lower-case"),
    "image-name-path": ("[stages.asr]", '[stages."../asr"]', "'../asr' is not an image name", ":30:", "lower-case"),
    "image-name-dockerfile": ("[stages.asr]", r'[stages."a\nRUN x"]', "is not an image name", ":30:", "lower-case"),
    "family-name": ('"fam"', '"fam$(id)"', "'fam$(id)' is not an image name", ":2:1 (family.name)", "lower-case"),
    "variant-name": ("[variants.cpu]", '[variants."c pu"]', "'c pu' is not a variant name", ":15:", "image tag"),
    "variant-reserved": ("[variants.cpu]", "[variants.index]", "a variant cannot be called `index`", ":15:", "locks/"),
    "base-image": ("python:3.11-slim", "python:3.11 slim", "is not an image reference", ":16:1", "NAME:TAG"),
    "base-image-injection": ("python:3.11-slim", r"python\nRUN evil", "is not an image reference", ":16:1", "NAME:TAG"),
    "copy-up": ('["shared"]', '["../shared"]', "'../shared' leaves the project", ":33:9 (stages.asr.copy[0])", ""),
    "copy-inner-up": ('["shared"]', '["a/../../b"]', "leaves the project", ":33:9", "no `..`"),
    "copy-absolute": ('["shared"]', '["/etc"]', "is not a path inside the project", ":33:9", "relative"),
    "recorded-up": ('"locks/index/cu121"', '"../cu121"', "leaves the project", ":8:1 (index.cu121.recorded)", ""),
    "apt-shell": ('["ffmpeg"]', '["ffmpeg && id"]', "is not a Debian package", ":34:8 (stages.asr.apt[0])", "NAME"),
    "apt-option": ('["ffmpeg"]', '["-oDebug=1"]', "is not a Debian package", ":34:8", "NAME"),
    "env-name": ("{ MODE =", '{ "MO DE" =', "is not the name of an environment variable", ":35:9", "letters"),
    "env-value": ('"fast"', r'"fast\nRUN evil"', "is not a plain value", ":35:9 (stages.asr.env.MODE)", "shell"),
    "env-expansion": ('"fast"', '"$(id)"', "is not a plain value", ":35:9", "shell"),
    "entrypoint-path": ('"asr.py"', '"../asr.py"', "is not a file name", ":36:1 (stages.asr.entrypoint)", "next to"),
    "unknown-base": ('from = "ml"', 'from = "mll"', "unknown base `mll`", ":31:1 (stages.asr.from)", "`ml`?"),
    "base-is-stage": (
        '[bases.ml]\nfrom = "base"',
        '[bases.ml]\nfrom = "asr"',
        "`asr` is a stage, not a base",
        ":26:1 (bases.ml.from)",
        "[bases.",
    ),
    "cycle": ("[bases.base]", '[bases.base]\nfrom = "ml"', "bases form a cycle: ", ":25:1 (bases.base.from)", "`from`"),
    "self-cycle": ('from = "base"', 'from = "ml"', "bases form a cycle: ml -> ml", ":26:1 (bases.ml.from)", ""),
    "unknown-variant": (
        'variants = ["cuda"]',
        'variants = ["cud"]',
        "unknown variant `cud`",
        ":27:13 (bases.ml.variants[0])",
        "`cuda`?",
    ),
    "variant-not-below": (
        'from = "ml"',
        'from = "ml"\nvariants = ["cpu"]',
        "its base `ml` is not built in variant `cpu`",
        ":32:13 (stages.asr.variants[0])",
        "add it to the base",
    ),
    "unknown-index": ('index = "cu121"', 'index = "cu12"', "unknown index `cu12`", ":11:1", "`cu121`?"),
    "package-twice": ('["scipy"]', '["scipy", "SciPy>=1"]', "`SciPy>=1` is named twice", ":32:22", "keep one"),
    "pin-twice": (
        'numpy = "2.0.0"',
        '"pyannote.audio" = "3.4.0"\nPyannote_Audio = "3.4.0"',
        "`Pyannote_Audio` is named twice, also written `pyannote.audio`",
        ":20:1 (pins.Pyannote_Audio)",
        "keep one",
    ),
    "image-twice": ("[stages.asr]", "[stages.base]", "`base` is named twice", ":30:", "keep one"),
    "url-requirement": (
        '["scipy"]',
        '["scipy @ https://files.example/scipy.whl"]',
        "a requirement by URL or path cannot be locked",
        ":32:13",
        "index",
    ),
    "git-requirement": ('["scipy"]', '["git+https://git.example/x"]', "by URL or path cannot be locked", ":32:13", ""),
    "path-requirement": ('["scipy"]', '["./scipy"]', "by URL or path cannot be locked", ":32:13", "index"),
    "accelerators": (
        'torch = "2.5.1+cu121"',
        'torch = "2.5.1+cu124"',
        "torch 2.5.1+cu124 is a cu124 build, variant `cuda` takes it from cu121",
        ":13:10 (variants.cuda.pins.torch)",
        "+cu121",
    ),
    "family-pin-accelerator": (
        'numpy = "2.0.0"\n\n[common]',
        'numpy = "2.0.0"\ntorch = "2.5.1+cpu"\n\n[common]',
        "",
        None,
        None,
    ),
    "base-image-cuda": (
        "nvidia/cuda:12.1.0-runtime",
        "nvidia/cuda:12.4.1-runtime",
        "`nvidia/cuda:12.4.1-runtime-ubuntu22.04` is for cu124, index `cu121` for cu121",
        ":12:1 (variants.cuda.from)",
        "one accelerator per image",
    ),
    "one-bake-target-for-two-images": (
        "[bases.ml]",
        '[variants.ml-cpu]\nfrom = "python:3.11-slim"\n[bases.base-ml]\n[bases.ml]',
        "in variant `ml-cpu` and `base-ml` in variant `cpu` have the same bake target `base-ml-cpu`",
        ":27:8 (bases.base-ml)",
        "rename one of the two images",
    ),
    "one-bake-variable-for-two-variants": (
        "[variants.cpu]",
        '[variants."c.pu"]\nfrom = "a:1"\n[variants.c_pu]\nfrom = "a:1"\n[variants.cpu]',
        "variants `c.pu` and `c_pu` would share the bake variable BASE_C_PU",
        ":17:11 (variants.c_pu)",
        "rename one",
    ),
    "models-hidden-by-env": (
        'env = { MODE = "fast" }',
        'env = { HF_HOME = "/x" }\npreload = ["x download"]',
        "HF_HOME would hide what `preload` of `asr` puts under /opt/models",
        ":35:9 (stages.asr.env.HF_HOME)",
        "remove it",
    ),
    "models-of-a-base-hidden-by-env": (
        'packages = ["torch"]\n\n[stages.asr]',
        'packages = ["torch"]\npreload = ["x download"]\n[stages.asr]\nfrom = "ml"\nenv.TORCH_HOME = "/x"\n[stages.b]',
        "TORCH_HOME would hide what `preload` of `ml` puts under /opt/models",
        ":",
        "remove it",
    ),
    "entrypoint-named-like-a-generated-file": (
        '"asr.py"',
        '"self_check.py"',
        "a program cannot be called `self_check.py`",
        ":36:1 (stages.asr.entrypoint)",
        "docker/asr/",
    ),
    "entrypoint-dockerfile": ('"asr.py"', '"Dockerfile"', "cannot be called `Dockerfile`", ":36:1", "docker/asr/"),
    "root": ('python = "3.11"', 'python = "3.11"\nuser = "root"', "not as root", ":4:1 (family.user)", "another"),
    "musl": (
        '"python:3.11-slim"',
        '"python:3.11-alpine"',
        "`python:3.11-alpine` cannot be the base: it has musl instead of glibc",
        ":16:1 (variants.cpu.from)",
        "Debian or Ubuntu",
    ),
    "rpm": (
        "nvidia/cuda:12.1.0-runtime-ubuntu22.04",
        "nvidia/cuda:12.1.0-runtime-ubi8",
        "it is a distribution with rpm packages",
        ":12:1 (variants.cuda.from)",
        "Debian or Ubuntu",
    ),
    "base-image-of-another-python": (
        '"python:3.11-slim"',
        '"python:3.12-slim"',
        "`python:3.12-slim` has Python 3.12, and [family] python is 3.11",
        ":16:1 (variants.cpu.from)",
        "choose the tag of Python 3.11",
    ),
    "base-image-of-pypy": (
        '"python:3.11-slim"',
        '"pypy:3.11"',
        "has pypy, and wheels are locked for CPython 3.11",
        ":16:1 (variants.cpu.from)",
        "",
    ),
    "entrypoint-that-is-a-shell-script": (
        '"asr.py"',
        '"run.sh"',
        "`run.sh` is not a Python program",
        ":36:1 (stages.asr.entrypoint)",
        "ends in .py",
    ),
    "index-in-a-folder": (
        "https://index.example/whl/cu121",
        "file:///srv/simple",
        "is not an index URL",
        ":6:1",
        "HTTP",
    ),
    "index-url-with-a-null": (
        "https://index.example/whl/cu121",
        "https://index.example/\\u0000whl/cu121",
        "is not an index URL",
        ":6:1 (index.cu121.url)",
        "control characters",
    ),
    "index-url-right-to-left": (
        "https://index.example/whl/cu121",
        "https://index.example/\\u202ewhl/cu121",
        "is not an index URL",
        ":6:1 (index.cu121.url)",
        "control characters",
    ),
    "index-url-without-width": (
        "https://index.example/whl/cu121",
        "https://index.example/\u200bwhl/cu121",
        "is not an index URL",
        ":6:1 (index.cu121.url)",
        "control characters",
    ),
    "index-url-that-is-not-ascii": (
        "https://index.example/whl/cu121",
        "https://índex.example/whl/cu121",
        "is not an index URL",
        ":6:1 (index.cu121.url)",
        "https://",
    ),
    "requirement-with-a-line-break": (
        'packages = ["scipy"]',
        "packages = [\"scipy; python_version > '3' \\n or extra == 'x'\"]",
        "contains U+000A",
        ":32:13 (stages.asr.packages[0])",
        "remove it",
    ),
    "pin-with-many-digits": (
        'numpy = "2.0.0"',
        'numpy = "' + "1" * 5000 + '"',
        "is not an exact version",
        ":19:1 (pins.numpy)",
        "",
    ),
    "requirement-with-many-brackets": (
        'packages = ["scipy"]',
        'packages = ["scipy; ' + "(" * 60 + "python_version > '3'" + ")" * 60 + '"]',
        "more than 50",
        ":32:13 (stages.asr.packages[0])",
        "",
    ),
    "index-url": ("https://index.example/whl/cu121", "ftp://x", "'ftp://x' is not an index URL", ":6:1", "https://"),
}
REFUSED = {name: case for name, case in CASES.items() if case[3] is not None}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_fault(project: Project, case: tuple[str, str, str, str, str]) -> None:
    old, new, message, place, hint = case
    assert GOOD.count(old) >= 1
    project.write(GOOD.replace(old, new, 1))
    before = project.tree
    for command in (["resolve", "--offline"], ["check"]):
        ran = project.run(*command)
        assert ran.code == 2, ran.err
        assert message in ran.err
        assert f"versions.toml{place}" in ran.err
        assert hint in ran.err
        assert ran.out == ""
        assert "Traceback" not in ran.err
    assert project.tree == before


def test_the_template_of_the_cases_is_valid(project: Project) -> None:
    project.write(GOOD)
    ran = project.run("check")
    assert ran.code == 1, "no lock yet is drift, not a fault of the file"
    assert "the lock does not exist yet" in ran.out


def test_a_pin_of_the_variant_overrides_the_familys(project: Project) -> None:
    old, new, *_ = CASES["family-pin-accelerator"]
    project.write(GOOD.replace(old, new, 1))
    assert project.run("check").code == 1


def test_every_fault_at_once(project: Project) -> None:
    project.write(GOOD.replace('numpy = "2.0.0"', 'numpy = ">2"').replace('["scipy"]', '["sci py"]'))
    ran = project.run("check")
    assert ran.err.count("error: ") == 2
    assert ran.err.index(":19:1") < ran.err.index(":32:13")


@pytest.mark.parametrize(
    ("data", "message", "place"),
    [
        (b'[family\nname = "x"\n', "broken TOML: ", ":1:8"),
        (b'[family]\nname = "x', "broken TOML: ", ":2:"),
        (b'[family]\nname = "x"\nname = "y"\n', "broken TOML: ", ":3:"),
        (b'[family]\nname = "\xff"\n', "not UTF-8: byte 0xff", ":2:9"),
        (b"\xff\xfe[\x00f\x00", "not UTF-8: byte 0xff", ":1:1"),
        (b"", "the file has no `family`", ""),
    ],
)
def test_not_a_document(project: Project, data: bytes, message: str, place: str) -> None:
    (project.root / "versions.toml").write_bytes(data)
    ran = project.run("resolve")
    assert ran.code == 2
    assert message in ran.err
    assert f"versions.toml{place}" in ran.err


def test_no_file(project: Project) -> None:
    ran = project.run("resolve")
    assert ran.code == 2
    assert "versions.toml not found in this folder" in ran.err
    assert "--project" in ran.err


def test_a_table_that_is_defined_twice(project: Project) -> None:
    project.write(GOOD + '\n[stages.asr]\nfrom = "ml"\n')
    ran = project.run("check")
    assert ran.code == 2
    assert "broken TOML" in ran.err
    assert ":38:" in ran.err


@pytest.mark.parametrize(
    ("python", "image", "code"),
    [
        ("3.11.9", "python:3.11.9-slim", 1),
        ("3.11.9", "python:3.11-slim", 1),
        ("3.11", "python:3.11.4-slim", 1),
        ("3.11.9", "python:3.11.4-slim", 2),
        ("3.11.9", "python:3.12.9-slim", 2),
    ],
)
def test_the_patch_release_of_a_base_image(project: Project, python: str, image: str, code: int) -> None:
    """Without a lock, `check` ends with 1."""
    text = GOOD.replace('"3.11"', f'"{python}"').replace("python:3.11-slim", image)
    project.write(text)
    ran = project.run("check")
    assert ran.code == code
    if code == 2:
        version = image.removeprefix("python:").removesuffix("-slim")
        assert f"`{image}` has Python {version}, and [family] python is {python}" in ran.err
        assert f"choose the tag of Python {python}, or change [family] python" in ran.err
