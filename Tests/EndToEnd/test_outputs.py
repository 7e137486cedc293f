"""The program goes to servers of others: to several at once, and to the rest while one is away or in trouble."""

import re
import signal
import socket

import pytest

from harness.destinations import FFmpegServer, NginxServer, check_program, wait_live
from harness.waiting import wait_until

KEYS = {"nginx": "nginx-stream-key-81", "ffmpeg": "key", "wrong": "wrong-stream-key-82"}


class Outputs:
    """A running event with outputs."""

    event = "outputs"

    def __init__(self, studio):
        self.studio, self.admin = studio, studio.admin()
        self.path = f"/v1/events/{self.event}/outputs"
        self.admin.post("/v1/events", {"id": self.event, "title": "Outputs"}, expect=201)
        self.ids = {}
        self.lost_before = 0

    def add(self, name, url, key):
        made = self.admin.post(self.path, {"name": name, "url": url, "key": key}, expect=201)
        assert key not in made.text.replace('"key"', "") or key == "key", made.text
        self.ids[name] = made.json()["id"]

    def state(self, name):
        return self.admin.get(f"{self.path}/{self.ids[name]}", expect=200).json()

    def wait(self, name, *states, seconds=30):
        return wait_until(
            lambda: (found := self.state(name))["state"] in states and found, seconds,
            lambda: f"{name} is not {states} but {self.state(name)}", 0.1,
        )  # fmt: skip


    def wait_live(self, name, seconds):
        return wait_live(self.admin, f"{self.path}/{self.ids[name]}", seconds)

    def lost(self):
        """How many pictures the compositors have counted as left out or missed."""
        counted = r"^proscenium_compositor_frames_(?:missed|left_out)_total(?:\{[^}]*\})? (\S+)$"
        # Studio knows none of them when it was just started.
        found = wait_until(lambda: re.findall(counted, self.studio.metrics(), re.MULTILINE), 10, "no counters")
        return sum(map(float, found))


@pytest.fixture(scope="module")
def outputs(make_studio):
    studio = make_studio(
        "outputs", "--preset", "ultrafast", "--program-preset", "ultrafast", "--allow-private-outputs", "true"
    )
    try:
        yield Outputs(studio)
    finally:
        studio.stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("destinations")
    with NginxServer(folder / "nginx") as nginx, FFmpegServer(folder / "ffmpeg") as ffmpeg:
        yield nginx, ffmpeg


def test_one_encode_goes_to_many_servers_and_outlives_each(outputs, servers):
    nginx, ffmpeg = servers
    outputs.add("nginx", nginx.url(), KEYS["nginx"])
    outputs.add("ffmpeg", ffmpeg.url(), KEYS["ffmpeg"])
    outputs.add("wrong", nginx.url("closed"), KEYS["wrong"])
    assert outputs.state("nginx")["state"] == "idle"
    outputs.admin.post(f"/v1/events/{outputs.event}/start", expect=202)
    outputs.wait("nginx", "live")
    outputs.wait("ffmpeg", "live")
    # nginx takes every stream and throws this one out afterwards, so no refusal says that the key is wrong.
    wrong = outputs.wait("wrong", "failed")
    assert "is the key right?" in wrong["reason"] and wrong["connections"] == 3, wrong
    # Somebody who accepts and never says a word.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outputs.add("silent", f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live", "any-key-at-all")
        outputs.wait_live("ffmpeg", 6)
        figures = wait_until(lambda: (found := outputs.state("nginx"))["bitrate"] > 1000 and found, 10, "no bit rate")
        assert figures["connections"] == 1 and figures["droppedFrames"] == 0 and figures["bytesSent"] > 10_000, figures

        ffmpeg.end(signal.SIGKILL)
        outputs.wait("ffmpeg", "retrying")
        assert outputs.state("nginx")["state"] == "live"
        wait_until(lambda: outputs.state("ffmpeg")["droppedFrames"] > 0, 10, "nothing is left out for a server that is away")
        ffmpeg.start()
        found = outputs.wait("ffmpeg", "live")
        assert found["connections"] == 2, found
        outputs.wait_live("ffmpeg", 4)
        silent = outputs.wait("silent", "retrying", seconds=20)
        assert silent["reason"] == "The server was silent and did not start the stream.", silent
    figures = outputs.state("nginx")
    assert figures["connections"] == 1 and figures["droppedFrames"] == 0, figures


@pytest.mark.parametrize("role", ["studio", "compositor"])
def test_outputs_come_back_when_a_process_is_killed(outputs, servers, role):
    before, outputs.lost_before = outputs.state("nginx"), max(outputs.lost_before, outputs.lost())
    old = outputs.studio.kill_role(role)
    outputs.studio.wait_restarted(role, old)

    def is_back():
        found = outputs.state("nginx")
        return found["state"] == "live" and (role == "studio" or found["changedAt"] != before["changedAt"]) and found

    found = wait_until(is_back, 30, lambda: f"before: {before}, now: {outputs.state('nginx')}", 0.1)
    # Studio's death touches no stream; a new compositor counts anew.
    assert found["connections"] == (before["connections"] if role == "studio" else 1)


def test_the_last_second_arrives_and_files_are_whole(outputs, servers):
    nginx, ffmpeg = servers
    outputs.wait_live("nginx", 4)
    lost = outputs.lost()
    outputs.admin.request("DELETE", f"{outputs.path}/{outputs.ids['nginx']}", expect=204)
    outputs.admin.get(f"{outputs.path}/{outputs.ids['nginx']}", expect=404)
    outputs.admin.post(f"/v1/events/{outputs.event}/stop", expect=202)
    wait_until(lambda: outputs.state("ffmpeg")["state"] == "idle", 15, "it goes on")
    wait_until(lambda: not nginx.holds_files(), 10, "nginx still writes")
    files = nginx.recordings()
    assert len(files) == 2, files
    # The first compositor made the first of them, and what ffmpeg kept.
    for file, seconds, counted in zip(files, (10, 2), (outputs.lost_before, lost)):
        check_program(file, seconds, counted)
    for file in ffmpeg.files[:2]:
        check_program(file, 2, outputs.lost_before)


def test_a_key_is_in_no_log(outputs, servers):
    text = outputs.studio.log.read_text(errors="replace")
    assert "an output is live" in text
    for name in ("nginx", "wrong"):
        assert KEYS[name] not in text, f"the key of {name} is in the log"
    for file in outputs.studio.data.glob("studio.sqlite*"):
        assert KEYS["nginx"].encode() not in file.read_bytes(), file


def test_private_addresses_are_refused_unless_allowed(studio, admin, event):
    path = f"/v1/events/{event}/outputs"
    for host in ("127.0.0.1", "localhost", "10.1.2.3", "[::1]", "169.254.169.254", "[::ffff:192.168.0.1]", "127.1"):
        refused = admin.post(path, {"url": f"rtmp://{host}/live", "key": "k"}, expect=422).json()
        assert refused["pointer"] == "/url" and "private" in refused["detail"], refused
    for url in ("http://127.0.0.1/live", "rtmp://u:p@127.0.0.1/live", "rtmp://127.0.0.1:22/live"):
        admin.post(path, {"url": url, "key": "k"}, expect=422)
    assert admin.get(path, expect=200).json()["items"] == []
