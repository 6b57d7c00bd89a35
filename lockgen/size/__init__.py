"""`lockgen size`: sizes of images before anything is built."""
