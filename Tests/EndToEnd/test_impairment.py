"""A speaker whose network loses, delays and throttles what comes: the picture goes on, and is whole again when the network is."""

import json
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from selenium.webdriver.common.by import By

from harness.browser import chromium, wait_script
from harness.impairment import impaired
from harness.ports import free_ports
from harness.speakers import Page
from harness.waiting import wait_until

EVENT = "impairment"
SECONDS = 10
# A layer counts as reached when it stays for so long.
STAYS = 5
# What Willi's window shows of a camera in layers of 180, 360 and 720 lines, if every network lets it through.
WHOLE = 360


def both(**link):
    """The same network both ways, with chances of their own."""
    return {"up": link | {"seed": 1}, "down": link | {"seed": 2}}


def capped(rate, **link):
    """A bottleneck on the way to the one who watches."""
    return {"up": link | {"seed": 1}, "down": link | {"seed": 2, "rate": rate}}


# Delays are those of one way.
MATRIX = {
    "nothing": {},
    "1 % loss, 25 ms": both(loss=0.01, delay_ms=25),
    "5 % loss, 50 ms": both(loss=0.05, delay_ms=50),
    "10 % loss, 50 ms": both(loss=0.1, delay_ms=50),
    "20 % loss, 50 ms": both(loss=0.2, delay_ms=50),
    "bursts (6 %, 3 packets), 50 ms": both(bad=0.02, good=0.3, bad_loss=0.9, delay_ms=50),
    "150 ms, 1 % loss": both(loss=0.01, delay_ms=75),
    "300 ms, 1 % loss": both(loss=0.01, delay_ms=150),
    "50 ms, jitter 40 ms, 2 % late": both(delay_ms=25, jitter_ms=40, reorder=0.02),
    "5 Mbit/s": capped(5e6, delay_ms=25),
    "1 Mbit/s": capped(1e6, delay_ms=25),
    "600 kbit/s": capped(6e5, delay_ms=25),
    "300 kbit/s": capped(3e5, delay_ms=25),
}

# The largest layer that fits through each bottleneck, with a voice beside it.
FITTING = {"5 Mbit/s": WHOLE, "1 Mbit/s": WHOLE, "600 kbit/s": WHOLE, "300 kbit/s": 180}


def upwards(delay_ms=25, **link):
    """A network that only delays what comes, and does more to what is sent."""
    return {"up": link | {"delay_ms": delay_ms, "seed": 1}, "down": {"delay_ms": delay_ms, "seed": 2}}


# The networks of who sends.
UPLINKS = {
    "5 % loss up, 50 ms": upwards(loss=0.05, delay_ms=50),
    "10 % loss up, 50 ms": upwards(loss=0.1, delay_ms=50),
    "10 % loss up, 150 ms": upwards(loss=0.1, delay_ms=150),
    "150 ms": upwards(delay_ms=150),
    "600 kbit/s up": upwards(rate=6e5),
}


@dataclass
class Network:
    """Clara sends her camera in three layers, and Willi watches, each through a relay: `uplink` is Clara's, `relay` Willi's."""

    admin: object
    clara: Page
    willi: Page
    uplink: object
    relay: object
    rows: dict = field(default_factory=lambda: {"watches": [], "sends": []})

    def camera(self):
        return self.willi.received(self.clara.participant, "camera")

    def microphone(self):
        return self.willi.received(self.clara.participant, "microphone")

    def note(self):
        """What Willi's page says beside Clara's picture."""
        tile = f'.tile[data-participant="{self.clara.participant}"][data-kind="person"]'
        return self.willi.value(f"document.querySelector({json.dumps(tile)})?.querySelector('.note:not([hidden])')?.textContent ?? ''")

    def line(self):
        """What the media server says of the line to Willi: what it carries, and what of Clara's camera it has no room for."""
        path = f"/v1/events/{EVENT}/participants/{self.willi.participant}/connection"
        down = next(item for item in self.admin.get(path, expect=200).json()["items"] if item["direction"] == "receives")
        cameras = (track for track in down["tracks"] if track["id"].startswith("camera.") and track["participant"] == self.clara.participant)
        return down.get("capacity"), next(cameras, {}).get("limit")

    def wait_height(self, height, seconds):
        """Waits for a picture of that height; returns after how many seconds, or None."""
        begin = time.monotonic()
        while (took := time.monotonic() - begin) < seconds:
            if self.camera().get("frameHeight") == height:
                return took
            time.sleep(0.2)
        return None

    def wait_whole(self):
        """Takes the faults away, and waits until Willi sees all that fits his window."""
        for relay in (self.uplink, self.relay):
            relay.set()
        wait_until(lambda: self.measure(2)["freezes"] == 0 and self.camera().get("frameHeight") == WHOLE, 30, self.camera)

    def measure(self, seconds=SECONDS, rate=None, relay=None, way="down"):
        """Returns what becomes of picture and sound within some seconds, and of the packets on one way through a relay, Willi's unless
        another is meant; of what is sent above a rate too, second by second.

        The last second is a whole one as well: within less, a burst would pass for a rate.
        """
        relay = relay or self.relay
        first = self.camera(), self.microphone(), time.monotonic()
        relay.counts()
        counts, over, heights, second = {}, 0, [], first[2]
        while second < first[2] + seconds:
            heights.append((time.monotonic() - first[2], self.camera().get("frameHeight")))
            time.sleep(0.2)
            took = time.monotonic() - second
            if took < 1:
                continue
            second += took
            ways = relay.counts()
            over += max(0, ways[way]["bytes"] * 8 - (rate or 1e12) * took)
            counts = {way: {name: value + counts.get(way, {}).get(name, 0) for name, value in ways[way].items()} for way in ways}
        camera, microphone, took = self.camera(), self.microphone(), time.monotonic() - first[2]

        def more(report, before, name):
            return report.get(name, 0) - before.get(name, 0)

        samples = more(microphone, first[1], "totalSamplesReceived")
        return {
            "seconds": took, "frames": more(camera, first[0], "framesDecoded"), "freezes": more(camera, first[0], "freezeCount"),
            "frozen": more(camera, first[0], "totalFreezesDuration"), "height": camera.get("frameHeight"),
            "waits": more(camera, first[0], "jitterBufferTargetDelay") / max(1, more(camera, first[0], "jitterBufferEmittedCount")),
            "nacks": more(camera, first[0], "nackCount"), "plis": more(camera, first[0], "pliCount"),
            "concealed": more(microphone, first[1], "concealedSamples") / max(1, samples), "samples": samples,
            "lost": (counts[way]["lost"] + counts[way]["dropped"]) / max(1, counts[way]["packets"]),
            "offered": counts[way]["bytes"] * 8 / took, "counts": counts, "heights": heights,
            "over": over / (rate * took) if rate else None,
        }  # fmt: skip


@pytest.fixture(scope="module")
def network(make_studio, artefacts, tmp_path_factory):
    with ExitStack() as stack:
        studio = make_studio("impairment")
        stack.callback(studio.stop)
        admin = studio.admin()
        admin.post("/v1/events", {"id": EVENT, "title": "Impairment"}, expect=201)
        uplink, relay = (stack.enter_context(impaired(port, studio.ports["media"])) for port in free_ports(2))
        pages = []
        for name, query, way in (("Clara", "", uplink), ("Willi", "?media=canvas", relay)):
            driver = stack.enter_context(
                chromium(tmp_path_factory.mktemp(name), artefacts / f"chromedriver-impairment-{name}.log", size=(1100, 800))
            )
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": way.way()})
            invitation = admin.post(f"/v1/events/{EVENT}/invitations", {"role": "speaker", "name": name}, expect=201).json()
            driver.get(f"{invitation['url']}{query}")
            wait_script(driver, "document.querySelector('#preview').videoWidth > 0", 15, "the picture in the mirror")
            driver.find_element(By.ID, "join").click()
            wait_script(driver, "window.proscenium.state === 'joined'", 30, f"{name} is in the room")
            pages.append(Page(driver))
        # What is measured is the network, also where the machine has other work.
        pages[0].keep_sizes()
        network = Network(admin, *pages, uplink, relay)
        network.willi.wait_frames(network.clara.participant, 20, more=30)
        assert relay.counts()["down"]["delivered"] > 30 and uplink.counts()["up"]["delivered"] > 30, "the media goes another way"
        yield network
        for who, rows in network.rows.items():
            if rows:
                print_table(f"the network of who {who}", rows, network.willi.driver.capabilities)


def test_five_percent_loss_and_a_tenth_of_a_second_stop_neither_picture_nor_sound(network):
    network.relay.set(**both(loss=0.05, delay_ms=50))
    try:
        network.willi.wait_frames(network.clara.participant, 15)
        seen = network.measure()
        print(json.dumps(seen))
        down = seen["counts"]["down"]
        assert down["packets"] > 300 and 0.02 < down["lost"] / down["packets"] < 0.09, seen
        # What is lost is asked for and sent again: no second without a picture, and sound that is made up only where it was lost.
        assert seen["nacks"] > 0 and seen["frames"] > 5 * seen["seconds"], seen
        assert seen["frozen"] < 0.25 * seen["seconds"], seen
        # The browser is told to let pictures wait until that has come: by itself it waits for 20 to 60 ms.
        assert seen["waits"] > 0.1, seen
        assert seen["samples"] > 0.8 * 48_000 * seen["seconds"] and seen["concealed"] < 0.2, seen
        assert network.willi.value("window.proscenium.joins") == 1 and network.willi.value("window.proscenium.state") == "joined"
    finally:
        network.relay.set()


def test_over_a_thin_line_the_sound_goes_on_with_a_smaller_picture_until_it_is_wide_again(network):
    network.relay.set()
    whole = wait_until(lambda: network.measure(2)["freezes"] == 0 and network.camera().get("frameHeight"), 30, "no start")
    wait_until(lambda: network.line()[1] is None, 30, network.line, 0.5)
    network.relay.set(**capped(4e5, delay_ms=25))
    try:
        wait_until(lambda: 0 < network.camera().get("frameHeight", 0) < whole, 30, network.camera, 0.2)
        wait_until(lambda: network.line()[1] == "smaller" and (network.line()[0] or 9e9) < 8e5, 30, network.line, 0.5)
        wait_until(lambda: "connection is slow" in network.note(), 15, network.note, 0.2)
        seen = network.measure()
        print(json.dumps(seen))
        # Neither a gap in the sound, nor a queue that never empties: what is sent stays about below the cap.
        assert seen["samples"] > 0.8 * 48_000 * seen["seconds"] and seen["concealed"] < 0.1, seen
        assert seen["frames"] > 3 * seen["seconds"] and seen["offered"] < 1.15 * 4e5, seen
    finally:
        network.relay.set()
    wait_until(lambda: network.camera().get("frameHeight") == whole, 30, network.camera, 0.2)
    wait_until(lambda: network.line()[1] is None and not network.note(), 30, lambda: f"{network.line()} {network.note()}", 0.5)


def reached(heights, height):
    """Returns after how many seconds a layer was there and stayed, or None."""
    last = max(seconds for seconds, _ in heights)
    for begin, _ in heights:
        stay = [seen for seconds, seen in heights if begin <= seconds < begin + STAYS]
        if begin + STAYS <= last and all(seen == height for seen in stay):
            return begin
    return None


def recovery(network):
    """Returns after how many seconds the picture is whole again, or None."""
    begin = time.monotonic()
    if network.wait_height(WHOLE, 30) is None:
        return None
    network.willi.wait_frames(network.clara.participant, 10)
    return time.monotonic() - begin


@pytest.mark.whole_matrix
@pytest.mark.parametrize("name", MATRIX)
def test_the_picture_is_back_within_ten_seconds_of(name, network):
    network.wait_whole()
    rate = MATRIX[name].get("down", {}).get("rate")
    network.relay.set(**MATRIX[name])
    seen = network.measure(3 * SECONDS, rate)
    network.relay.set()
    row = Row(name, rate, FITTING.get(name, WHOLE), seen, recovery(network))
    network.rows["watches"].append(row)
    assert network.willi.value("window.proscenium.state") == "joined"
    assert row.recovery is not None and row.recovery < 10, f"{name}: {row.recovery} s"
    assert seen["over"] is None or seen["over"] < 0.1, seen
    if rate:
        assert row.reached is not None and row.reached < 10, f"{name}: {row.right} lines after {row.reached} s; {seen}"


@pytest.mark.whole_matrix
@pytest.mark.parametrize("name", UPLINKS)
def test_who_watches_sees_the_whole_picture_of_a_camera_behind(name, network):
    network.wait_whole()
    rate = UPLINKS[name]["up"].get("rate")
    network.uplink.set(**UPLINKS[name])
    seen = network.measure(3 * SECONDS, rate, network.uplink, "up")
    network.uplink.set()
    row = Row(name, rate, WHOLE, seen, recovery(network))
    network.rows["sends"].append(row)
    assert network.clara.value("window.proscenium.state") == "joined" and network.clara.value("window.proscenium.joins") == 1
    assert row.recovery is not None and row.recovery < 10, f"{name}: {row.recovery} s"
    assert row.reached is not None and row.reached < 10, f"{name}: {row.right} lines after {row.reached} s; {seen}"


@dataclass
class Row:
    """What became of a picture over one network: the height that is right, and after how many seconds it was whole again."""

    name: str
    rate: float | None
    right: int
    seen: dict
    recovery: float | None

    @property
    def reached(self):
        return reached(self.seen["heights"], self.right)


def print_table(what, rows, browser):
    """Prints what docs/testing.md shows."""
    print(f"\n{what}: {browser['browserName']} {browser['browserVersion']}, seed 1 to the media server and 2 from it")
    print("| network | right layer | reached after | held for | pictures a second | freezes a minute | frozen | made-up sound | over the cap | whole again after |")
    print("|---|---|---|---|---|---|---|---|---|---|")

    def after(seconds):
        return "never" if seconds is None else f"{seconds:.1f} s"

    for row in rows:
        seen = row.seen
        later = Counter(height for seconds, height in seen["heights"] if seconds > seen["seconds"] / 3)
        over = f"{seen['over']:.1%}" if row.rate else "–"
        print(
            f"| {row.name} | {row.right} | {after(row.reached)} | {later[row.right] / later.total():.0%} | "
            f"{seen['frames'] / seen['seconds']:.0f} | {seen['freezes'] * 60 / seen['seconds']:.0f} | {seen['frozen'] / seen['seconds']:.0%} | "
            f"{seen['concealed']:.1%} | {over} | {after(row.recovery)} |"
        )
