"""Waiting for a condition with a deadline; the only place that sleeps."""

import time

# How much longer a wait may take than its caller says, who has a machine in mind that does nothing else: a busy one is half as
# fast, and may stand still for a second at any point. Nobody waits longer than it takes.
PATIENCE = 3


def wait_until(condition, seconds, what, interval=0.05):
    """Returns the first true value of `condition()`; fails after `PATIENCE` times `seconds` with `what`, which may be a callable."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"after {seconds} s: {what() if callable(what) else what}")
        time.sleep(interval)
