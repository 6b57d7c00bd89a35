"""Image registries: manifests, tags and digests."""
