"""The checks, by matter."""
