"""`lockgen why`: the dependency paths from images to a package."""
