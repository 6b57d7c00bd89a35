"""Whether images run: install what an image has, import its packages, run its tests, and compare with a run before."""
