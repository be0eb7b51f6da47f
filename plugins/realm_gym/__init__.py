"""Skills of the library reasoning-gym, one for each of its tasks."""
