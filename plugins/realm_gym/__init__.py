"""Skills of the library reasoning-gym, one for each of its tasks.

The library runs in a process of its own (`worker`), with `library` and `guard` in it; `child` is this side of it. What
is known of the tasks (`facts`) comes from the self-check (`check`), and `skill` is what the realm sees.
"""
