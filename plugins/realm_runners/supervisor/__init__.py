"""Runs one job and keeps its folder: a program of its own, of nothing but Python's standard library (3.8 or newer).

It is sent to other machines as one zip file, so it imports nothing of Realm. In a job's folder:

- `order.json`: what was asked for; who writes it first wins.
- `lock`: held by the supervisor as long as it lives, so that the kernel says when it is gone.
- `state.json`: what became of the job, with the marks (pid, start time) of supervisor and command.
- `cancel`: there once the job is to end.
- `output-N`: what it said; N is the place of the piece's first byte. The first piece and the last ones stay.
"""
