"""`lockgen lint`: unused and missing packages, from the imports in code."""
