"""Clients of the live channel: WebSocket and server-sent events, with the same record of what came when."""

import json
import socket
import ssl
import threading
import time
import urllib.parse

import websocket

from .waiting import PATIENCE, wait_until


class LiveRecord:
    """What a client has received: messages with the time of their arrival, and its position in each log."""

    def __init__(self):
        self._changed = threading.Condition()
        self.messages = []
        self.positions = {}
        self.closed = None

    def take(self, message):
        """Adds a message, stamped with now."""
        with self._changed:
            message["_arrived"] = time.time()
            self.messages.append(message)
            kind = message.get("kind")
            if kind == "hello":
                for log, position in (message.get("positions") or {}).items():
                    self.positions.setdefault(log, (position["epoch"], position["offset"]))
            elif message.get("log"):
                self.positions[message["log"]] = (message["epoch"], message["offset"])
            self._changed.notify_all()

    def end(self, reason):
        with self._changed:
            if self.closed is None:
                self.closed = reason
            self._changed.notify_all()

    @property
    def hello(self):
        return self.wait_for(lambda message: message.get("kind") == "hello", 10, "hello")

    @property
    def resume(self):
        """The position in both logs, in the form that `?resume=` and Last-Event-ID take."""
        with self._changed:
            return ",".join(f"{log}:{epoch}:{offset}" for log, (epoch, offset) in sorted(self.positions.items()))

    def entries(self, kind=None, log=None):
        """Returns the log entries so far."""
        with self._changed:
            return [
                message for message in self.messages
                if "programTime" in message and kind in (None, message["kind"]) and log in (None, message["log"])
            ]

    def holds(self, text):
        """Returns the first message that contains a text anywhere, or None."""
        with self._changed:
            return next((message for message in self.messages if text in json.dumps(message)), None)

    def wait_for(self, condition, seconds, what):
        """Returns the first message, past or coming, for which the condition holds."""
        seconds *= PATIENCE
        deadline = time.monotonic() + seconds
        seen = 0
        with self._changed:
            while True:
                for message in self.messages[seen:]:
                    if condition(message):
                        return message
                seen = len(self.messages)
                left = deadline - time.monotonic()
                if left <= 0 or self.closed is not None:
                    kinds = [message.get("kind") for message in self.messages]
                    raise AssertionError(f"no {what} within {seconds} s (closed: {self.closed}); came: {kinds}")
                self._changed.wait(left)

    def wait_entry(self, kind, seconds=10, key=None):
        """Returns the first entry of a kind (and key)."""
        return self.wait_for(
            lambda message: message.get("kind") == kind and "programTime" in message and key in (None, message["key"]),
            seconds, f"{kind} {key or ''}",
        )

    def wait_closed(self, seconds):
        return wait_until(lambda: self.closed, seconds, "the connection is still open")

    def assert_contiguous(self, log):
        """Fails when an entry is missing, twice, or out of order."""
        entries = self.entries(log=log)
        for earlier, later in zip(entries, entries[1:]):
            assert later["epoch"] == earlier["epoch"], f"the epoch of {log} changed"
            assert later["offset"] == earlier["offset"] + 1, (
                f"{log}: after offset {earlier['offset']} came {later['offset']}"
            )


class LiveSocket(LiveRecord):
    """The live channel by WebSocket; refused handshakes raise `websocket.WebSocketBadStatusException`."""

    def __init__(self, studio, event, ticket, resume=None):
        super().__init__()
        query = {"ticket": ticket} | ({"resume": resume} if resume else {})
        url = f"wss://{studio.host}:{studio.ports['https']}/v1/events/{event}/live?{urllib.parse.urlencode(query)}"
        self.socket = websocket.create_connection(
            url, timeout=60, origin=studio.origin, sslopt={"ca_certs": str(studio.certificate)}
        )
        self.socket.settimeout(None)
        self._reader = threading.Thread(target=self._read, name="live socket", daemon=True)
        self._reader.start()

    def _read(self):
        try:
            while True:
                opcode, data = self.socket.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.end(int.from_bytes(data[:2], "big") if len(data) >= 2 else "closed")
                    return
                if opcode == websocket.ABNF.OPCODE_TEXT:
                    self.take(json.loads(data))
        except (OSError, ssl.SSLError, websocket.WebSocketException) as error:
            self.end(f"{type(error).__name__}: {error}")

    def close(self):
        self.end("by us")
        try:
            self.socket.send_close()
            self._reader.join(2)
            # The reader may still wait for the answer; an end of the connection wakes it where a close would not.
            self.socket.sock.shutdown(socket.SHUT_RDWR)
            self._reader.join(2)
            self.socket.shutdown()
        except (AttributeError, OSError, websocket.WebSocketException):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class EventSource(LiveRecord):
    """The live channel by server-sent events (WHATWG HTML, 9.2), with a bearer token or a cookie."""

    def __init__(self, api, event, resume=None):
        super().__init__()
        self.last_id = None
        headers = api.headers() | {"Accept": "text/event-stream"}
        if resume:
            headers["Last-Event-ID"] = resume
        self.response = api.session.get(
            f"{api.studio.origin}/v1/events/{event}/live", headers=headers, stream=True, timeout=(60, 180)
        )
        assert self.response.status_code == 200, f"server-sent events: {self.response.status_code} {self.response.text}"
        kind = self.response.headers["Content-Type"].split(";")[0]
        assert kind == "text/event-stream", kind
        threading.Thread(target=self._read, name="server-sent events", daemon=True).start()

    def _read(self):
        data = []
        try:
            # urllib3 hands on what has arrived when asked for one byte at a time, and the socket's buffer keeps it cheap.
            for line in _lines(self.response):
                if not line:
                    if data:
                        self.take(json.loads("\n".join(data)))
                    data = []
                    continue
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if field == "data":
                    data.append(value)
                elif field == "id":
                    self.last_id = value
            self.end("ended")
        except Exception as error:  # noqa: BLE001  a broken stream shows itself in many ways, and all of them end it
            self.end(f"{type(error).__name__}: {error}")

    def close(self):
        self.end("by us")
        # The reader holds the response until something comes; with nothing more to come it lets go at once.
        self.response.raw.shutdown()
        self.response.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _lines(response):
    """Yields the lines of a response as they arrive."""
    waiting = b""
    for chunk in response.raw.stream(amt=None, decode_content=True) if response.raw.chunked else _bytes(response):
        waiting += chunk
        *lines, waiting = waiting.split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r").decode()


def _bytes(response):
    while byte := response.raw.read(1):
        yield byte
