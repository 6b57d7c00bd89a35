"""Render the files that images are built from: Dockerfiles, the bake file, and the programs that stages begin with."""

from __future__ import annotations

from lockgen.core.layout import BAKE, CACHES, IGNORE, MODELS, MODULES, SCRIPT, VERSIONS, variable
from lockgen.core.lock import Lock
from lockgen.core.templating import compile_template, render
from lockgen.outputs.model import BuildLayer, FamilyPlan, ImagePlan, InstallLayer

_TEMPLATES = "outputs/templates"


def compile_templates() -> None:
    """Compile the templates that every family needs."""
    for name in ("Dockerfile", "docker-bake.hcl", "self_check.py", "entrypoint.py", "versions.txt", "dockerignore"):
        compile_template(f"{_TEMPLATES}/{name}.j2")


def render_images(plan: FamilyPlan, lock: Lock) -> dict[str, str]:
    """Path to text of .dockerignore, and of everything under docker/ except the requirement files."""
    copied = {folder for image in plan.images for folder in image.copy}
    tree = {
        BAKE: _bake(plan),
        SCRIPT: render(f"{_TEMPLATES}/build-all-images.sh.j2"),
        VERSIONS: _versions(lock),
        IGNORE: render(f"{_TEMPLATES}/dockerignore.j2", copied=sorted(copied)),
    }
    for image in plan.images:
        tree[f"{image.folder}/Dockerfile"] = dockerfile(image)
        if image.entrypoint is not None:
            tree[f"{image.folder}/self_check.py"] = render(f"{_TEMPLATES}/self_check.py.j2", image=image)
    return tree


def starters(plan: FamilyPlan) -> dict[str, str]:
    """Path to text of each stage's program. It is written only if there is none: from then on it is the team's."""
    return {
        f"{image.folder}/{image.entrypoint}": render(f"{_TEMPLATES}/entrypoint.py.j2", image=image)
        for image in plan.images
        if image.entrypoint is not None
    }


# -- Dockerfiles -----------------------------------------------------------------


def dockerfile(image: ImagePlan) -> str:
    """One Dockerfile for all variants of an image; build arguments set what differs between them."""
    # Its defaults build the first variant, so that it works without bake as well.
    first = image.variants[0]
    return render(
        f"{_TEMPLATES}/Dockerfile.j2",
        name=image.name,
        tags=[f"{image.name}:{variant.variant}" for variant in image.variants],
        root=image.root,
        python=image.python,
        variant=first.variant,
        base_image=first.base_image,
        ppa=any(variant.ppa for variant in image.variants),
        apt=sorted(image.apt),
        build_apt=sorted(image.build_apt),
        user={"name": image.user, "uid": image.uid},
        routed=image.routed,
        tools=image.tools,
        listed=image.listed,
        pages=first.pages,
        built=[_built(built, first.variant) for built in image.built],
        layers=[_layer(layer, number, first.variant) for number, layer in enumerate(image.layers, 1)],
        preload=image.preload,
        models=MODELS,
        modules=MODULES,
        caches=[f"{name}=/models/{folder}" for name, folder in CACHES.items()],
        env=image.env,
        folders=list(image.folders),
        copy=image.copy,
        entrypoint=image.entrypoint,
        lock=first.lock,
    )


def _built(built: BuildLayer, variant: str) -> dict[str, object]:
    return {
        "number": built.number,
        "tools": built.tools,
        "path": built.sources.path(variant),
        "argument": None if built.sources.same else _built_argument(built),
    }


def _layer(layer: InstallLayer, number: int, variant: str) -> dict[str, object]:
    return {"path": layer.path(variant), "argument": None if layer.same else _layer_argument(number)}


def _built_argument(built: BuildLayer) -> str:
    return "BUILT" if built.number == 1 else f"BUILT_{built.number}"


def _layer_argument(number: int) -> str:
    return f"REQUIREMENTS_{number}"


# -- the bake file ---------------------------------------------------------------


def build_arguments(image: ImagePlan, number: int) -> dict[str, str]:
    """The build arguments of a variant, except its base image: those that differ from the Dockerfile's defaults."""
    first = image.variants[0]
    own = image.variants[number]
    arguments = {}
    if own.variant != first.variant:
        arguments["VARIANT"] = own.variant
    for position, layer in enumerate(image.layers, 1):
        if not layer.same:
            arguments[_layer_argument(position)] = layer.path(own.variant)
    for built in image.built:
        if not built.sources.same:
            arguments[_built_argument(built)] = built.sources.path(own.variant)
    # Only self_check.py reads the lock, and only a stage has one.
    if own.lock != first.lock and image.entrypoint is not None:
        arguments["LOCK"] = own.lock
    if own.ppa:
        arguments["PPA"] = own.ppa
    return arguments


def _bake(plan: FamilyPlan) -> str:
    targets = []
    for image in plan.images:
        for number, variant in enumerate(image.variants):
            targets.append((image, variant, build_arguments(image, number)))
    return render(
        f"{_TEMPLATES}/docker-bake.hcl.j2",
        plan=plan,
        targets=targets,
        bases=[(variable(variant), reference, variant) for variant, reference in plan.base_images],
        variable=variable,
        groups=_groups(plan),
    )


def _groups(plan: FamilyPlan) -> dict[str, list[str]]:
    """The groups of bake targets: all of them, each image in all variants, each variant with all images."""
    by_variant: dict[str, list[str]] = {}
    targets = set()
    for image in plan.images:
        for variant in image.variants:
            target = variant.target
            targets.add(target)
            by_variant.setdefault(variant.variant, []).append(target)
    groups = {"default": sorted(targets)}
    # In bake, a name stands for one target or one group.
    taken = {*targets, "default"}
    for image in plan.images:
        name = _group_name(image.name)
        if len(image.variants) > 1 and name not in taken:
            groups[name] = [variant.target for variant in image.variants]
    for variant_name, _ in plan.base_images:
        name = _group_name(f"all-{variant_name}")
        if name not in taken and name not in groups:
            members = by_variant.get(variant_name, [])
            groups[name] = sorted(members)
    return groups


def _group_name(name: str) -> str:
    # Bake allows no dots in names of groups.
    return name.replace(".", "_")


# -- versions.txt ----------------------------------------------------------------


def _versions(lock: Lock) -> str:
    """Every locked version, with its variants where it is not in all of them."""
    rows = []
    # Stable: the versions of one package stay in the order of the lock.
    for package in sorted(lock.packages, key=lambda package: package.name):
        line = f"{package.name}=={package.version}"
        if package.variants != lock.variants:
            line = f"{line:40} # {', '.join(package.variants)}"
        rows.append(line)
    return render(f"{_TEMPLATES}/versions.txt.j2", rows=rows)
