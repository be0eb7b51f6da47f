"""The verbs of `realm battle`."""
