"""Speakers that GStreamer makes: `gstreamer_peer.py` as a process, and the studio's signalling in its name."""

import json
import subprocess
import threading
from pathlib import Path

from .speakers import RoomSocket
from .waiting import wait_until

SCRIPT = Path(__file__).with_name("gstreamer_peer.py")


class GStreamerPeer:
    """A webrtcbin that publishes or subscribes."""

    def __init__(self, role, address, log):
        self._log = open(log, "wb")
        self._process = subprocess.Popen(
            ["/usr/bin/python3", str(SCRIPT), role, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.state, self.frames, self.descriptions, self.errors = "new", {}, [], []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            message = json.loads(line)
            self.state = message.get("state", self.state)
            self.frames = message.get("frames", self.frames)
            if "sdp" in message:
                self.descriptions.append(message["sdp"])
            if "error" in message:
                self.errors.append(message["error"])

    def __str__(self):
        return f"GStreamer: {self.state}, {self.frames}, {self.errors}, ended with {self._process.poll()}"

    def description(self):
        """Returns the next description it makes, with its candidates."""
        wait_until(lambda: self.descriptions, 20, lambda: f"no description; {self}")
        return self.descriptions.pop(0)

    def tell(self, sdp):
        self._process.stdin.write(json.dumps({"sdp": sdp}) + "\n")
        self._process.stdin.flush()

    def wait_connected(self):
        wait_until(lambda: self.state == "connected", 20, lambda: str(self), 0.1)

    def publish(self, api, event):
        """Publishes by WHIP."""
        answer = api.request(
            "POST", f"/v1/events/{event}/whip", data=self.description(), headers={"Content-Type": "application/sdp"}, expect=201
        )
        self.tell(answer.text)
        self.wait_connected()
        return self

    def subscribe(self, api, event):
        """Subscribes to who is in the room now; returns the socket, which ends the session when it is closed."""
        room = RoomSocket(api, event)
        room.receive(lambda message: "hello" in message)
        assert room.ask({"subscribe": True})["ok"]
        self.tell(room.receive(lambda message: "offer" in message)["offer"])
        assert room.ask({"answer": self.description()})["ok"]
        self.wait_connected()
        return room

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._reader.join(5)
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
