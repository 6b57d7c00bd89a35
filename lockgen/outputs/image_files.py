"""Files under docker/ that images are built from: Dockerfiles, the bake file, what stages begin with."""

from __future__ import annotations

from lockgen.core.layout import BAKE, CACHES, IGNORE, MODELS, MODULES, SCRIPT, VERSIONS, variable
from lockgen.core.lock import Lock
from lockgen.core.templating import render
from lockgen.outputs.model import BuildLayer, FamilyPlan, ImagePlan


def render_images(plan: FamilyPlan, lock: Lock) -> dict[str, str]:
    """Path to text of everything under docker/ but the requirement files, and .dockerignore."""
    tree = {
        BAKE: _bake(plan),
        SCRIPT: render("outputs/templates/build-all-images.sh.j2"),
        VERSIONS: _versions(lock),
        IGNORE: render(
            "outputs/templates/dockerignore.j2",
            copied=sorted({folder for image in plan.images for folder in image.copy}),
        ),
    }
    for image in plan.images:
        tree[f"{image.folder}/Dockerfile"] = dockerfile(image)
        if image.entrypoint is not None:
            tree[f"{image.folder}/self_check.py"] = render("outputs/templates/self_check.py.j2", image=image)
    return tree


def starters(plan: FamilyPlan) -> dict[str, str]:
    """Path to text of each stage's program, for where there is none: it is the team's from then on."""
    return {
        f"{image.folder}/{image.entrypoint}": render("outputs/templates/entrypoint.py.j2", image=image)
        for image in plan.images
        if image.entrypoint is not None
    }


def dockerfile(image: ImagePlan) -> str:
    """One Dockerfile for all variants of an image; what differs between them are build arguments."""
    first = image.variants[0]
    layers = [
        {"path": layer.path(first.variant), "argument": None if layer.same else f"REQUIREMENTS_{number}"}
        for number, layer in enumerate(image.layers, 1)
    ]
    folders = list(image.folders)
    return render(
        "outputs/templates/Dockerfile.j2",
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
        built=[
            {
                "number": built.number,
                "tools": built.tools,
                "path": built.sources.path(first.variant),
                "argument": None if built.sources.same else _argument(built),
            }
            for built in image.built
        ],
        layers=layers,
        preload=image.preload,
        models=MODELS,
        modules=MODULES,
        caches=[f"{name}=/models/{folder}" for name, folder in CACHES.items()],
        env=image.env,
        folders=folders,
        copy=image.copy,
        entrypoint=image.entrypoint,
        lock=first.lock,
    )


def _argument(built: BuildLayer) -> str:
    return "BUILT" if built.number == 1 else f"BUILT_{built.number}"


def build_arguments(image: ImagePlan, number: int) -> dict[str, str]:
    """What a variant's build is told beside its base image: where it is not what the Dockerfile says by itself."""
    first, own = image.variants[0], image.variants[number]
    found = {"VARIANT": own.variant} if own.variant != first.variant else {}
    for position, layer in enumerate(image.layers, 1):
        if not layer.same:
            found[f"REQUIREMENTS_{position}"] = layer.path(own.variant)
    found |= {_argument(b): b.sources.path(own.variant) for b in image.built if not b.sources.same}
    if own.lock != first.lock and image.entrypoint is not None:
        found["LOCK"] = own.lock
    if own.ppa:
        found["PPA"] = own.ppa
    return found


def _bake(plan: FamilyPlan) -> str:
    targets = [
        (image, variant, build_arguments(image, number))
        for image in plan.images
        for number, variant in enumerate(image.variants)
    ]
    return render(
        "outputs/templates/docker-bake.hcl.j2",
        plan=plan,
        targets=targets,
        bases=[(variable(variant), reference, variant) for variant, reference in plan.base_images],
        variable=variable,
        groups=_groups(plan),
    )


def _groups(plan: FamilyPlan) -> dict[str, list[str]]:
    targets = {variant.target for image in plan.images for variant in image.variants}
    groups: dict[str, list[str]] = {"default": sorted(targets)}
    for image in plan.images:
        if len(image.variants) > 1 and image.name.replace(".", "_") not in targets | {"default"}:
            groups[image.name.replace(".", "_")] = [variant.target for variant in image.variants]
    for name, _ in plan.base_images:
        own = [v.target for image in plan.images for v in image.variants if v.variant == name]
        key = f"all-{name}".replace(".", "_")
        if key not in targets and key not in groups:
            groups[key] = sorted(own)
    return groups


def _versions(lock: Lock) -> str:
    held: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for package in lock.packages:
        held.setdefault(package.name, []).append((package.version, package.variants))
    rows = []
    for name, versions in sorted(held.items()):
        for version, variants in versions:
            line = f"{name}=={version}"
            rows.append(line if variants == lock.variants else f"{line:40} # {', '.join(variants)}")
    return render("outputs/templates/versions.txt.j2", rows=rows)
