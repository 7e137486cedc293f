"""What the compositor decodes of who is on stage, by its own counters."""

from .waiting import wait_until


class Composed:
    """What the compositor of a running event decodes."""

    def __init__(self, studio, event):
        self.studio, self.worker = studio, f'worker="compositor-{event}"'

    def counts(self):
        found = {}
        for line in self.studio.metrics().splitlines():
            name = line.split("{")[0].split(" ")[0].removeprefix("proscenium_compositor_room_")
            if name in ("frames_decoded_total", "pixels_decoded_total") and self.worker in line:
                found[name.split("_")[0]] = float(line.rsplit(" ", 1)[1])
        return found

    def pixels(self, frames=20):
        """Pixels of a picture, in the mean of the next ones."""
        first = wait_until(lambda: len(counts := self.counts()) == 2 and counts, 20, "no compositor counts")
        last = {}

        def enough():
            last.update(self.counts())
            return last.get("frames", 0) >= first["frames"] + frames

        wait_until(enough, 30, lambda: f"{first}, then {last}")
        return (last["pixels"] - first["pixels"]) / (last["frames"] - first["frames"])
