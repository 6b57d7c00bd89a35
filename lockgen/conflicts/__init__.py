"""Why a family has no solution, and the smallest repair. `lockgen explain` and `lockgen repair`."""
