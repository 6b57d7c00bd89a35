"""One versions.toml for a family of PyTorch images: hashed locks and requirement layers."""

__version__ = "0.1.0"
