"""Waiting for a condition with a deadline; the only place that sleeps."""

import time


def wait_until(condition, seconds, what, interval=0.05):
    """Returns the first true value of `condition()`; fails after `seconds` with `what`, which may be a callable."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"after {seconds} s: {what() if callable(what) else what}")
        time.sleep(interval)
