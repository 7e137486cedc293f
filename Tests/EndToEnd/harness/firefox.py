"""Headless Firefox on our pages, driven by Marionette, the protocol that it speaks itself: Debian has no geckodriver."""

import base64
import json
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

from . import processes
from .ports import free_ports
from .waiting import wait_until

FIREFOX = "/usr/bin/firefox-esr"

# Fake devices without a question, connections on the loopback, and nothing that calls home.
PREFERENCES = {
    "media.navigator.streams.fake": True, "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True, "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0, "media.autoplay.blocking_policy": 0,
    "browser.shell.checkDefaultBrowser": False, "browser.startup.page": 0, "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False, "toolkit.telemetry.server": "", "app.update.disabledForTesting": True,
    "app.normandy.enabled": False, "extensions.update.enabled": False, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "services.settings.server": "data:,", "media.gmp-manager.updateEnabled": False,
}  # fmt: skip


class FirefoxError(Exception):
    """What the browser answered instead of a result."""


class Element:
    """An element of the page."""

    def __init__(self, driver, reference):
        self._driver, self._id = driver, next(iter(reference.values()))

    def click(self):
        self._driver.command("WebDriver:ElementClick", id=self._id)

    def send_keys(self, text):
        self._driver.command("WebDriver:ElementSendKeys", id=self._id, text=text)


class Firefox:
    """A session, with the calls of selenium's drivers that the tests use."""

    def __init__(self, connection):
        self._connection = connection
        self._buffer = b""
        self._number = 0
        self._receive()  # who it is
        timeouts = {"script": 90_000, "pageLoad": 90_000, "implicit": 0}
        self.command("WebDriver:NewSession", acceptInsecureCerts=True, timeouts=timeouts)

    def _receive(self):
        """Returns the next message: its length in digits, a colon, JSON."""
        while b":" not in self._buffer:
            self._fill()
        length, _, rest = self._buffer.partition(b":")
        self._buffer = rest
        while len(self._buffer) < int(length):
            self._fill()
        message, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(message)

    def _fill(self):
        data = self._connection.recv(65_536)
        if not data:
            raise FirefoxError("the browser has ended")
        self._buffer += data

    def command(self, name, **parameters):
        """Sends a command and returns its result; what is answered with an error is raised."""
        self._number += 1
        message = json.dumps([0, self._number, name, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(message), message))
        while True:
            kind, number, error, result = self._receive()
            if kind == 1 and number == self._number:
                break
        if error:
            raise FirefoxError(f"{name}: {error.get('error')}: {error.get('message')}")
        return result

    def get(self, address):
        self.command("WebDriver:Navigate", url=address)

    def refresh(self):
        self.command("WebDriver:Refresh")

    def find_element(self, by, value):
        using, value = ("css selector", f'[id="{value}"]') if by == "id" else (by, value)
        return Element(self, self.command("WebDriver:FindElement", using=using, value=value)["value"])

    def execute_script(self, script, *arguments):
        return self.command("WebDriver:ExecuteScript", script=script, args=list(arguments), sandbox=None)["value"]

    def execute_async_script(self, script, *arguments):
        return self.command("WebDriver:ExecuteAsyncScript", script=script, args=list(arguments), sandbox=None)["value"]

    def set_preference(self, name, value):
        """Sets a preference of the running browser."""
        self.command("Marionette:SetContext", value="chrome")
        try:
            self.execute_script(
                "const [name, value] = arguments;"
                "Services.prefs[{boolean: 'setBoolPref', number: 'setIntPref', string: 'setStringPref'}[typeof value]](name, value)",
                name, value,
            )  # fmt: skip
        finally:
            self.command("Marionette:SetContext", value="content")

    def get_log(self, _):
        """Firefox hands out no console; what went wrong stands in its log."""
        return []

    def save_screenshot(self, path):
        picture = self.command("WebDriver:TakeScreenshot", full=False, hash=False)["value"]
        Path(path).write_bytes(base64.b64decode(picture))


@contextmanager
def firefox(profile, log, size=(960, 720), preferences=None):
    """Starts a browser with a profile of its own, and ends it with all its processes."""
    (port,) = free_ports(1)
    profile = Path(profile)
    profile.mkdir(parents=True, exist_ok=True)
    wanted = PREFERENCES | {"marionette.port": port} | (preferences or {})
    (profile / "user.js").write_text(
        "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in wanted.items())
    )
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [FIREFOX, "--headless", f"--width={size[0]}", f"--height={size[1]}", "--marionette", "--profile", str(profile), "--no-remote"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env={"HOME": str(profile), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MOZ_CRASHREPORTER_DISABLE": "1"},
        )  # fmt: skip
    connection = None
    try:
        connection = wait_until(lambda: connect(process, port), 30, lambda: Path(log).read_text(errors="replace")[-2000:], 0.1)
        driver = Firefox(connection)
        driver.command("WebDriver:SetWindowRect", width=size[0], height=size[1])
        yield driver
    finally:
        if connection is not None:
            connection.close()
        end(process)
        shutil.rmtree(profile, ignore_errors=True)


def connect(process, port):
    if process.poll() is not None:
        raise AssertionError(f"Firefox ended with {process.returncode}")
    try:
        connection = socket.create_connection(("127.0.0.1", port), 5)
    except OSError:
        return None
    connection.settimeout(180)
    return connection


def end(process):
    """Ends the browser; its helpers are of its session, and of nobody else's."""
    try:
        process.terminate()
        process.wait(10)
    except subprocess.TimeoutExpired:
        pass
    for left in processes.of_session(process.pid):
        left.kill()
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
