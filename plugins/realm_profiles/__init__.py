"""Data profiles: what stands around a row in training and, in just the same way, around a prompt in evals."""
