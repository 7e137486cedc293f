"""What the machine had no time for: pictures of the program that came late, and those that did not come, as the studio counts them."""

import re
import threading
import time

import requests

from .waiting import wait_until

# Counters come with the workers' heartbeats, and those of a second before.
LAG_MS = 4000
COUNTED = re.compile(r"^proscenium_compositor_frames_(?:late|missed)_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class Hitches:
    """Asks for the counters all the time, so that tests can tell a late picture from one that the machine was too late for."""

    def __init__(self, studio):
        self._studio = studio
        self._samples = []  # asked and answered at, in milliseconds of the wall, and how many so far
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hitches", daemon=True)
        self._thread.start()

    def _run(self):
        total, last = 0, 0
        while not self._stopping.wait(0.5):
            asked = time.time() * 1000
            try:
                count = sum(map(float, COUNTED.findall(self._studio.metrics())))
            except (requests.RequestException, AssertionError):
                continue
            # Studio forgets what it has counted when it is killed.
            total += count - last if count >= last else count
            last = count
            self._samples.append((asked, time.time() * 1000, total))

    def between(self, begin, end):
        """Returns how many pictures were late or missing between two moments of the wall in milliseconds, at most."""

        def known():
            return [total for asked, _, total in self._samples.copy() if asked >= end + LAG_MS][:1]

        [after] = wait_until(known, LAG_MS / 1000 + 20, "nobody tells how the program goes", 0.1)
        before = max((total for _, answered, total in self._samples.copy() if answered <= begin), default=0)
        return int(after - before)

    def stop(self):
        self._stopping.set()
        self._thread.join(60)
