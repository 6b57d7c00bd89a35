"""The export formats of `lockgen sbom`."""
