"""The files that follow from a lock: requirement layers, Dockerfiles, the bake file. `lockgen resolve`."""
