"""The task master: background work when a GPU is idle."""
