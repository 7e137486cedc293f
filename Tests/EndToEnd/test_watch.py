"""What an attendee sees in a browser: the program, and the poll at its moment, before which no carrier shows it."""

import json
import threading
import time

import pytest
import requests
from selenium.webdriver.common.by import By

from harness.browser import chromium, screenshot, script_value, wait_script
from harness.waiting import wait_until

QUESTION = "Which colour shall the curtain have?"
MAX_ERROR_MS = 250


class TimelinePoller:
    """Asks for every URL from which a poll could leak, and notes the first moment at which one shows it."""

    def __init__(self, program, guest, epoch, poll):
        self.program, self.guest, self.epoch, self.poll = program, guest, epoch, poll
        self.seen = {}
        self.last_number = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timeline poller", daemon=True)
        self._thread.start()

    def _urls(self):
        """Timelines of listed segments and of the next ones, newest first."""
        base = self.program.playback["timeline"].rstrip("/")
        last = self.program.recorder.rungs[-1].playlist.last
        for number in range(last + 2, last - 3, -1):
            yield number, f"{base}/{self.epoch}/{number}.json"

    def _run(self):
        while not self._stopping.is_set():
            try:
                for number, url in self._urls():
                    answer = self.program.viewer.fetch(url)
                    self._note(url, answer)
                    if answer.status_code == 200:
                        self.last_number = max(self.last_number, number)
                path = f"/v1/events/{self.program.event}/polls"
                for url in (path, f"{path}/{self.poll['id']}", f"{path}/{self.poll['id']}/results"):
                    self._note(url, self.guest.session.get(self.guest.studio.origin + url, timeout=10))
            except requests.RequestException:
                pass
            self._stopping.wait(0.1)

    def _note(self, url, answer):
        # An answer that knows the poll gives it away, with or without its question.
        if answer.status_code == 200 and (QUESTION in answer.text or self.poll["id"] in answer.text):
            self.seen.setdefault(url, time.time())

    def stop(self):
        self._stopping.set()
        self._thread.join(15)


@pytest.fixture(scope="module")
def watched(studio, admin, program, artefacts, tmp_path_factory):
    """A browser on the page of an attendee, playing."""
    invitation = admin.post(
        f"/v1/events/{program.event}/invitations", {"role": "attendee", "name": "Wanda Watcher"}, expect=201
    ).json()
    profile = tmp_path_factory.mktemp("chromium")
    with chromium(profile, artefacts / "chromedriver.log") as driver:
        driver.get(f"{studio.origin}/watch/{program.event}#invitation={invitation['token']}")
        wait_script(driver, "window.proscenium && window.proscenium.state === 'watching'", 20, "the page is let in")
        wait_script(driver, "window.proscenium.playhead", 40, "the program plays")
        yield driver


def test_the_page_plays_the_program(watched, artefacts):
    assert script_value(watched, "window.proscenium.player") == "hls.js"
    first = script_value(watched, "window.proscenium.playhead")
    wait_script(watched, f"window.proscenium.playhead > {first} + 2000", 15, "two seconds of the program")
    assert script_value(watched, "document.querySelector('video').videoWidth") in (640, 768, 960, 1280, 1920)
    behind = time.time() * 1000 - script_value(watched, "window.proscenium.playhead")
    print(f"the playhead is {behind / 1000:.1f} s behind the wall clock")
    assert 0 < behind < 60_000
    assert script_value(watched, "location.hash") == "", "the invitation is still in the address"
    # The picture moves and is a picture: two frames on a canvas differ, and neither is of one colour.
    screenshot(watched, artefacts, "watch-playing.png")


def test_a_poll_appears_at_its_moment_and_nobody_sees_it_before(studio, admin, program, watched, artefacts):
    reader = studio.attendee(admin, program.event, "Raw Reader")
    with reader.socket(program.event) as socket, reader.events(program.event) as stream:
        epoch = socket.hello["positions"]["timeline"]["epoch"]
        assert stream.hello
        poll = admin.post(
            f"/v1/events/{program.event}/polls",
            {"kind": "single", "question": QUESTION, "options": ["Red", "Blue"], "open": True}, expect=201,
        ).json()  # fmt: skip
        moment = poll["openedAt"]
        poller = TimelinePoller(program, reader, epoch, poll)
        try:
            watch_and_vote(admin, program, watched, artefacts, poll)
            covering = wait_until(lambda: program.recorder.covering(moment), 30, "no segment covers the poll")
            arrivals = {
                "WebSocket": socket.wait_entry("poll.opened", 5, poll["id"])["_arrived"],
                "server-sent events": stream.wait_entry("poll.opened", 5, poll["id"])["_arrived"],
            }
            timeline = f"{program.playback['timeline'].rstrip('/')}/{epoch}/"
            wait_until(
                lambda: any(url.startswith(timeline) for url in poller.seen), 15,
                lambda: f"no timeline beside a segment holds the poll; newest found: {poller.last_number}",
            )
        finally:
            poller.stop()
        # What does not carry the entry may hint at it all the same: no message names the poll before.
        for name, record in (("WebSocket", socket), ("server-sent events", stream)):
            arrivals[f"{name}, any mention"] = record.holds(poll["id"])["_arrived"]
        not_listed_until = program.recorder.known_absent_until(covering.number)
        for carrier, arrived in (arrivals | poller.seen).items():
            print(f"{carrier}: {arrived - not_listed_until:+.3f} s from when the segment was last known not to be listed")
            assert arrived >= not_listed_until, f"{carrier} showed the poll before its segment was listed"


def watch_and_vote(admin, program, driver, artefacts, poll):
    """Waits for the card, checks its moment, votes by clicking, and sees the tally."""
    # The playhead at each frame that the page is given: a browser that stands still shows nothing meanwhile.
    driver.execute_script(
        "window.passed = []; (function pass() { window.passed.push(window.proscenium.playhead); requestAnimationFrame(pass); })()"
    )
    shown = wait_script(
        driver, f"window.proscenium.polls.find(poll => poll.id === {json.dumps(poll['id'])})", 60, "the poll appears",
        0.05,
    )  # fmt: skip
    passed = driver.execute_script("return window.passed")
    error = shown["shownAtPlayhead"] - poll["openedAt"]
    frames = sum(at is not None and poll["openedAt"] <= at < shown["shownAtPlayhead"] for at in passed)
    print(f"the poll appeared {error:.0f} ms, and {frames} frames, after its program time (playhead {shown['shownAtPlayhead']:.0f})")
    # It is put on the page in the first frame after its time, and seen in the next.
    assert 0 <= error and (error < MAX_ERROR_MS or frames <= 3)
    card = driver.find_element(By.CSS_SELECTOR, f'[data-poll="{poll["id"]}"]')
    assert card.is_displayed() and QUESTION in card.text
    assert driver.execute_script("return document.activeElement === document.body"), "the card took the focus"
    screenshot(driver, artefacts, "watch-poll.png")
    red = poll["options"][0]["id"]
    card.find_element(By.CSS_SELECTOR, f'[data-option="{red}"]').click()
    card.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait_script(driver, f"document.querySelector('[data-poll=\"{poll['id']}\"]').dataset.state === 'voted'", 10, "voted")
    results = admin.get(f"/v1/events/{program.event}/polls/{poll['id']}/results", expect=200).json()
    assert results["tally"][red] == 1 and results["voters"] == 1, results
    # The tally comes by the timeline too: after the media of its second.
    wait_script(
        driver, f"document.querySelector('[data-poll=\"{poll['id']}\"] [data-votes=\"{red}\"]')?.textContent === '1'", 60,
        "the tally shows",
    )  # fmt: skip
    screenshot(driver, artefacts, "watch-tally.png")
