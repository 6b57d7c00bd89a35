"""Text to model. Pure; collects every fault with its place."""
