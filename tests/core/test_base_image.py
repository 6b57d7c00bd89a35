"""What the name of a base image shows: its system and its Python."""

from __future__ import annotations

import pytest

from lockgen.core.base_image import ImagePython, platform_of, python_of, unsupported_system


@pytest.mark.parametrize(
    ("image", "word"),
    [
        ("python:3.11-alpine", "musl"),
        ("python:3.11-alpine3.20", "musl"),
        ("alpine", "musl"),
        ("alpine:3.20", "musl"),
        ("mirror.example:5000/library/alpine:3.20", "musl"),
        ("amazonlinux:2023", "rpm"),
        ("public.ecr.aws/amazonlinux/amazonlinux:2", "rpm"),
        ("registry.access.redhat.com/ubi9/python-311", "rpm"),
        ("registry.access.redhat.com/ubi9:latest", "rpm"),
        ("registry.access.redhat.com/ubi9-minimal:9.4", "rpm"),
        ("nvidia/cuda:12.1.0-cudnn8-runtime-ubi8", "rpm"),
        ("nvidia/cuda:12.1.0-runtime-rockylinux8", "rpm"),
        ("nvidia/cuda:11.8.0-base-centos7", "rpm"),
        ("rockylinux/rockylinux:9", "rpm"),
        ("rocm/dev-almalinux-8:6.2", "rpm"),
        ("opensuse/leap:15.6", "rpm"),
        ("fedora:41", "rpm"),
        ("quay.io/pypa/manylinux_2_28_x86_64", "rpm"),
        ("gcr.io/distroless/python3-debian12", "package manager"),
        ("scratch", "package manager"),
        ("archlinux:latest", "apt"),
        ("cgr.dev/chainguard/python:latest", "apt"),
    ],
)
def test_a_system_that_the_dockerfiles_do_not_work_on(image: str, word: str) -> None:
    assert word in (unsupported_system(image) or "")


@pytest.mark.parametrize(
    "image",
    [
        "python:3.11-slim",
        "python:3.11-slim-bookworm",
        "debian:12",
        "ubuntu:22.04",
        "nvidia/cuda:12.1.0-cudnn8-runtime-ubuntu22.04",
        "pytorch/pytorch:2.5.1-cuda12.1-cudnn9-runtime",
        "rocm/dev-ubuntu-22.04:6.2",
        "alpine.example/team/base:1",
        "a:1",
        "vllm/vllm-openai:v0.6",
    ],
)
def test_a_system_that_may_work(image: str) -> None:
    assert unsupported_system(image) is None


@pytest.mark.parametrize(
    ("image", "python"),
    [
        ("python:3.12-slim", ImagePython("3.12", True)),
        ("python:3.11.9", ImagePython("3.11", True, patch=9)),
        ("python:3.11.4-slim-bookworm", ImagePython("3.11", True, patch=4)),
        ("python:3.13.0rc1-slim", ImagePython("3.13", True, patch=0)),
        ("mirror.example/library/python:3.11", ImagePython("3.11", True)),
        ("python:3-slim", ImagePython("", True)),
        ("python:slim", ImagePython("", True)),
        ("python", ImagePython("", True)),
        ("python@sha256:" + "0" * 64, None),
        ("pypy:3.10", ImagePython("3.10", True, "pypy")),
        ("rocm/pytorch:rocm6.2_ubuntu22.04_py3.10_pytorch_release_2.3.0", ImagePython("3.10", False)),
        ("team/base:cuda12.1-python3.11", ImagePython("3.11", False)),
        ("team/base:py312", ImagePython("3.12", False)),
        ("nvcr.io/nvidia/pytorch:24.01-py3", None),
        ("pytorch/pytorch:2.5.1-cuda12.1-cudnn9-runtime", None),
        ("ubuntu:22.04", None),
    ],
)
def test_the_python_of_a_base_image(image: str, python: ImagePython | None) -> None:
    assert python_of(image) == python


@pytest.mark.parametrize(
    ("reference", "platform"),
    [
        ("python:3.11-slim", None),
        ("amd64/python:3.11-slim", "linux/amd64"),
        ("arm64v8/debian:12", "linux/arm64"),
        ("docker.io/arm32v7/python:3.11", "linux/arm/v7"),
        ("team/arm64v8:1", None),
    ],
)
def test_the_platform_in_a_name(reference: str, platform: str | None) -> None:
    assert platform_of(reference) == platform


@pytest.mark.parametrize("tag", ["3.11-windowsservercore", "3.11-windowsservercore-ltsc2022", "3.11-nanoserver"])
def test_images_of_windows(tag: str) -> None:
    assert unsupported_system(f"python:{tag}") == "it is for Windows, and the lock is for Linux"
