"""Drills: one failure each, really caused in a throw-away realm."""
