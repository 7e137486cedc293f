"""Processes as /proc shows them."""

import os
import signal
from dataclasses import dataclass

from .waiting import wait_until


@dataclass(frozen=True)
class Process:
    """One process; `started` tells it from a later one with the same number."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    arguments: tuple

    def is_running(self):
        found = read(self.pid)
        return found is not None and found.started == self.started

    def kill(self):
        """Kills it as the kernel would for want of memory: no handler runs."""
        if self.is_running():
            os.kill(self.pid, signal.SIGKILL)

    def __str__(self):
        return f"{self.pid} {' '.join(self.arguments)}"


def read(pid):
    """Returns the process, or None when there is none or it is a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read().decode(errors="replace")
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            arguments = file.read().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in parentheses and may hold any character: the fields start after the last one.
    fields = stat[stat.rindex(")") + 2 :].split()
    if fields[0] in "ZX":
        return None
    return Process(
        pid=pid, parent=int(fields[1]), group=int(fields[2]), session=int(fields[3]), started=int(fields[19]),
        arguments=tuple(argument for argument in arguments if argument),
    )


def of_session(session):
    """Returns all living processes of a session."""
    found = (read(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process is not None and process.session == session]


def wait_gone(session, seconds):
    """Waits until no process of the session is left."""
    wait_until(
        lambda: not of_session(session), seconds,
        lambda: "still there: " + "; ".join(str(process) for process in of_session(session)),
    )
