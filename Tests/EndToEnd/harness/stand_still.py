"""Runs a command that stands still now and then, with all its processes, as on a machine that others take away for a moment.

Usage: stand_still.py COMMAND [ARGUMENT...]; exits as the command does.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

RUN_SECONDS = (1.5, 5.0)
STILL_SECONDS = (0.15, 0.3, 0.3, 0.6, 1.0, 1.2)


def processes_under(root):
    """Returns the process ids of a process and all that it has started, and they have."""
    children = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            # One may end while it is read.
            with contextlib.suppress(OSError, IndexError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def main(command):
    # The same moments in each run.
    moments = random.Random(1)
    process, stops = subprocess.Popen(command), 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(*RUN_SECONDS))
            break
        stopped = processes_under(process.pid)
        for sign in (signal.SIGSTOP, signal.SIGCONT):
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sign)
            if sign == signal.SIGSTOP:
                time.sleep(moments.choice(STILL_SECONDS))
        stops += 1
    print(f"it stood still {stops} times", file=sys.stderr)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
