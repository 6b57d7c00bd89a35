"""Features form an order, layers inside a feature too, pure modules stay pure, and each effect has one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "lockgen"

ORDER = (
    "core",
    "io",
    "manifest",
    "index",
    "resolvers",
    "lock",
    "warnings",
    "diff",
    "outputs",
    "why",
    "size",
    "pairs",
    "proof",
    "conflicts",
    "compat",
    "check",
    "registry",
    "images",
    "sbom",
    "lint",
    "audit",
    "upgrade",
    "update",
)
"""The features. Each may import those before it and none after it."""

TOP = {"__init__", "__main__", "app", "cli", "errors", "nox"}
"""The modules that are in no feature."""

PURE = {
    "audit": """advisory_model affected_packages fix_blockers fix_candidates fix_search files_render locked_files
    model osv_reader ports render severity vulnerabilities""",
    "check": """model render""",
    "compat": """cells html_page install_model matrix_search model ranges
    reader render""",
    "conflicts": """answer_cache conflict_render conflict_search constraints hitting_sets known_limits minimize model
    nearest_versions new_pins
    oracle reasons repair_edits repair_problem repair_render repair_search unmet_requirements""",
    "core": """accelerator archives base_image close_match compat_axes documents image_reference index key_path
    layout lock manifest markdown ownership_rules parsing popular_packages ports printable quoting resolution sarif
    sizes target target_requirements templating text_table toml_positions update_policy urls words""",
    "diff": """model plan render""",
    "images": """affected build_faults build_model builder_reader buildkit_progress debian image_documents inspection
    layer_model layer_reader layer_waste""",
    "index": """core_metadata explicit_files first_seen_reader first_seen_writer model page_reader page_writer ports
    project_urls record_reader record_writer shortage target_metadata wheel_ranking""",
    "lint": """context import_names import_parser local_modules model notebook plan
    provided_modules python_imports render rules.messages
    rules.missing rules.rule_type rules.table rules.undeclared rules.unreadable rules.unused standard_library""",
    "lock": """agreement blame build_tools closure engine exclusions file_choices graph keys layers lock_builder
    misread reader requests tool_sets variant_solver writer""",
    "manifest": """accelerator_checks base_image_checks compat_reader editor faults field_checks fingerprints
    image_reader package_reader placeholders reader record_digests resolvable_file schema schema_errors
    table_reader tables update_policy_reader""",
    "outputs": """generated_files image_files image_plan model requirements shortage_faults unsolved_fault""",
    "pairs": """plan reader render table""",
    "proof": """bisection bound_conditions check_run known_bounds known_runs messages model native_libraries packages
    change_text requirements run_document run_text verdict""",
    "registry": """model tags""",
    "resolvers": """pip_messages pylock_reader url_requirements uv_hints uv_messages""",
    "sbom": """formats.cyclonedx formats.format_type formats.table model plan""",
    "size": """plan render""",
    "update": """base_image_updates branches close_reasons closing commit_message first_seen_branch forge_requests
    forges.forge_type forges.model model plan ports proof_text pull_request_text recorded_vulnerability remote_state
    render report run""",
    "upgrade": """bump_model bump_render bump_requests bump_search outdated_model outdated_render outdated_search
    pin_edits pin_groups""",
    "warnings": """model path_owners rules.base_image rules.copied_folder rules.cuda_in_cpu rules.cut_off
    rules.password_in_url rules.shared_files rules.unknown_extra rules.unused_pin table""",
    "why": """model path_search plan render""",
}
"""Modules that read and write nothing, nor does anything that they import. This list may only grow."""

OUTSIDE = {
    "http",
    "os",
    "pathlib",
    "requests",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
}

DOORS = {
    # The supervisor runs in the environment of an image, without lockgen.
    "subprocess": {"io/process.py", "proof/supervisor.py"},
    "requests": {"io/transport.py"},
    "urllib3": {"io/transport.py"},
    "rich": {"io/console.py"},
    "fcntl": {"io/locking.py"},
    # The others write one file next to its place, or have no lockgen.
    "tempfile": {"io/temporary.py", "io/export.py", "io/cache.py", "io/process.py", "index/pep517_hooks.py"},
    "platformdirs": {"io/cache.py"},
    "github": {"update/forges/github.py"},
    "gitlab": {"update/forges/gitlab.py"},
    "jinja2": {"core/templating.py"},
    "build": {"index/pep517_hooks.py"},
    "elftools": {"proof/elf.py"},
    "nox": {"nox.py"},
    "cvss": {"audit/severity.py"},
    "cyclonedx": {"sbom/formats/cyclonedx.py"},
    "packageurl": {"sbom/formats/cyclonedx.py"},
}
"""An outside library or effect, and the one module that may import it."""

MODULES = {
    ".".join(("lockgen", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


@cache
def imports(path: Path) -> frozenset[str]:
    """The dotted names of everything that ``path`` imports, inside of functions too."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            module = node.module or ""
            yield module
            # `from lockgen.io import journal` imports a module as well.
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def own_imports(name: str) -> set[str]:
    """The modules of lockgen that the module ``name`` imports."""
    return {found for found in imports(MODULES[name]) if found in MODULES and found not in {name, "lockgen"}}


def feature(name: str) -> str | None:
    """The feature of a module; None of those directly under lockgen/."""
    parts = MODULES[name].relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else None


def is_model(name: str) -> bool:
    return name.endswith(("_model", ".model"))


def is_command(name: str) -> bool:
    return name.endswith(("_command", ".command"))


IN_FEATURES = [name for name in MODULES if feature(name) is not None]


@pytest.mark.parametrize("name", [name for name in MODULES if name != "lockgen.nox"])
def test_no_module_passes_on_names_of_another(name: str) -> None:
    """mypy refuses to import what a module only imports, unless it does so in one of these two ways."""
    tree = ast.parse(MODULES[name].read_text())
    imported = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assigned = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    assert not [alias.name for alias in imported if alias.name == alias.asname]
    assert "__all__" not in [ast.unparse(target) for target in assigned]


def test_the_features_are_the_folders() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ORDER)
    assert {path.stem for path in PACKAGE.glob("*.py")} == TOP


@pytest.mark.parametrize("name", IN_FEATURES)
def test_features_import_only_earlier_ones(name: str) -> None:
    mine = feature(name)
    allowed = {*ORDER[: ORDER.index(mine or "") + 1]}
    others = {feature(found) for found in own_imports(name)} - {None}
    assert others <= allowed, f"{mine} comes before {others - allowed}"
    assert "lockgen.cli" not in own_imports(name)
    # The composition root builds resolvers, so only features after them may be given one. Nothing imports a command but
    # the command line, so commands of earlier features may, too.
    may_use_app = is_command(name) or ORDER.index(mine or "") > ORDER.index("resolvers")
    assert may_use_app or "lockgen.app" not in own_imports(name)


@pytest.mark.parametrize("name", [name for name in IN_FEATURES if is_model(name)])
def test_models_import_only_models(name: str) -> None:
    others = {found for found in own_imports(name) if feature(found) not in {None, "core"}}
    assert not [found for found in others if not is_model(found) and found.count(".") > 1]
    assert not [found for found in others if found.endswith(("_command", ".command"))]


@pytest.mark.parametrize("name", [name for name in IN_FEATURES if not is_command(name)])
def test_only_commands_import_commands(name: str) -> None:
    assert not [found for found in own_imports(name) if is_command(found)]


def test_no_import_cycles() -> None:
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"import cycle: {' -> '.join((*above, name))}"
        if name not in done:
            for found in sorted(own_imports(name)):
                visit(found, (*above, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())


def pure_modules() -> list[str]:
    return [f"lockgen.{folder}.{stem}" for folder, stems in PURE.items() for stem in stems.split()]


@pytest.mark.parametrize("name", pure_modules())
def test_pure_modules_read_and_write_nothing(name: str) -> None:
    outside = {found.split(".")[0] for found in imports(MODULES[name])}
    assert not outside & OUTSIDE
    allowed = {*pure_modules(), "lockgen.errors", *(f"lockgen.{folder}" for folder in ORDER)}
    assert own_imports(name) <= allowed


@pytest.mark.parametrize("path", MODULES.values(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_effect_has_one_door(path: Path) -> None:
    outside = {name.split(".")[0] for name in imports(path)}
    relative = str(path.relative_to(PACKAGE))
    for name, doors in DOORS.items():
        assert name not in outside or relative in doors, f"{name} is imported in {doors} only"


PRINTERS = {
    "print": {"io/output.py", "io/console.py", "index/pep517_hooks.py"},
    "sys.stdout": {"io/output.py", "cli.py", "proof/supervisor.py"},
    "sys.__stdout__": set(),
    "sys.stderr": {"io/output.py", "io/console.py"},
    "click.echo": set(),
    "click.secho": set(),
    "click.echo_via_pager": set(),
    "os.write": {"io/journal.py", "io/process.py"},
}
"""Ways to print, and the modules that may: they clean text from outside. The hooks and the
supervisor run in a separate process."""


@pytest.mark.parametrize("path", MODULES.values(), ids=MODULES)
def test_one_module_prints(path: Path) -> None:
    tree = ast.parse(path.read_text())
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)}
    relative = str(path.relative_to(PACKAGE))
    for name in used & PRINTERS.keys():
        assert relative in PRINTERS[name], f"{name} is used in {PRINTERS[name]} only"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"sys", "click"}:
            assert not {f"{node.module}.{alias.name}" for alias in node.names} & PRINTERS.keys()


BUILT_BY_APP = {"Http", "NullCache", "Uv"}
"""Classes that only the composition root, the command line and their own module create."""


@pytest.mark.parametrize("path", MODULES.values(), ids=MODULES)
def test_the_composition_root_builds_the_clients(path: Path) -> None:
    created = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    roots = {PACKAGE / "app.py", PACKAGE / "cli.py", PACKAGE / "resolvers" / "uv.py"}
    assert path in roots or not created & BUILT_BY_APP


PARSERS = {
    "Requirement": "core/parsing.py",
    "Version": "core/parsing.py",
    "parse_wheel_filename": "core/parsing.py",
    "parse_sdist_filename": "core/parsing.py",
    "json.loads": "core/documents.py",
    "tomllib.loads": "core/documents.py",
}
"""Parsers that fail in undocumented ways on hostile text, and the one module that calls each."""


@pytest.mark.parametrize("path", MODULES.values(), ids=MODULES)
def test_one_module_parses_text_from_outside(path: Path) -> None:
    relative = str(path.relative_to(PACKAGE))
    # These run in another process, without lockgen.
    if relative in {"index/pep517_hooks.py", "proof/supervisor.py"}:
        return
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    }
    used = (called & PARSERS.keys()) - {"parse_wheel_filename", "parse_sdist_filename"}
    used |= packaging_names(path) & PARSERS.keys()
    assert {PARSERS[name] for name in used} <= {relative}


def packaging_names(path: Path) -> set[str]:
    """What a module imports from packaging.utils."""
    return {
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "packaging.utils"
        for alias in node.names
    }


def test_commands_are_imported_only_when_called() -> None:
    """`lockgen check` stays quick: the command line itself loads nothing heavy."""
    tree = ast.parse((PACKAGE / "cli.py").read_text())
    top = {
        name
        for node in tree.body
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        if name.startswith("lockgen.")
    }
    assert top == {"lockgen.errors"}
