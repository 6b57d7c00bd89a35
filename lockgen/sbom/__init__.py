"""`lockgen sbom`: bills of materials as CycloneDX."""
