"""One installation: `proscenium serve` with a data folder and loopback ports of its own."""

import os
import signal
import subprocess
from pathlib import Path

import requests

from . import processes
from .ports import free_ports
from .rest import Api
from .waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("PROSCENIUM_BINARY", REPOSITORY / ".build/debug/proscenium")).resolve()
LISTENERS = ("https", "hls", "rtmps", "media", "turn", "turns", "internal")


class Studio:
    """Starts, kills and stops an installation, and makes clients for it."""

    host = "localhost"

    def __init__(self, folder, options=(), certificate=None):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        self.certificate = certificate or self.data / "tls/certificate.pem"
        self.log = self.folder / "serve.log"
        self.options = list(options)
        self.ports = dict(zip(LISTENERS, free_ports(len(LISTENERS))))
        self.supervisor = None
        self._sessions = []

    @property
    def origin(self):
        return f"https://{self.host}:{self.ports['https']}"

    @property
    def hls_origin(self):
        return f"https://{self.host}:{self.ports['hls']}"

    def start(self):
        """Starts the supervisor and waits until it says that everything is ready."""
        if not BINARY.exists():
            raise AssertionError(f"{BINARY} does not exist; scripts/test builds it")
        command = [str(BINARY), "serve", "--data-directory", str(self.data), "--public-host", self.host]
        for name, port in self.ports.items():
            command += [f"--{name}-port", str(port)]
        with open(self.log, "ab") as log:
            self.supervisor = subprocess.Popen(
                command + self.options, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=REPOSITORY,
                start_new_session=True,
            )
        self._sessions.append(self.supervisor.pid)
        self.wait_ready(30)
        return self

    def wait_ready(self, seconds):
        wait_until(self.is_ready, seconds, lambda: f"/readyz does not answer 200\n{self.log_tail()}")

    def is_ready(self):
        if self.supervisor.poll() is not None:
            raise AssertionError(f"serve ended with {self.supervisor.returncode}\n{self.log_tail()}")
        try:
            return requests.get(f"http://127.0.0.1:{self.ports['internal']}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def metrics(self):
        """Returns what the internal listener tells Prometheus."""
        answer = requests.get(f"http://127.0.0.1:{self.ports['internal']}/metrics", timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.text

    def log_tail(self, lines=60):
        if not self.log.exists():
            return "(no log)"
        with open(self.log, "rb") as file:
            file.seek(max(0, self.log.stat().st_size - 64_000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def process(self, role, seconds=10):
        """Returns the child of the supervisor that plays a role."""

        def find():
            for process in processes.of_session(self.supervisor.pid):
                if process.pid != self.supervisor.pid and role in process.arguments[1:]:
                    return process
            return None

        return wait_until(find, seconds, f"no process plays the role {role}")

    def kill_role(self, role):
        """Kills the process that really serves, and returns it once it is gone."""
        process = self.process(role)
        process.kill()
        wait_until(lambda: not process.is_running(), 10, f"{process} survived SIGKILL")
        return process

    def wait_restarted(self, role, old, seconds=20):
        """Waits until another process plays the role, and everything is ready."""
        wait_until(lambda: self.process(role, seconds).pid != old.pid, seconds, f"{role} was not started again")
        self.wait_ready(seconds)

    def kill_supervisor(self):
        self.supervisor.kill()
        self.supervisor.wait(10)

    def stop(self):
        """Stops as a service manager does, and asserts that nothing is left behind."""
        if self.supervisor is not None and self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
            try:
                self.supervisor.wait(60)
            except subprocess.TimeoutExpired:
                pass

        def still_there():
            return [process for session in self._sessions for process in processes.of_session(session)]

        # What the kernel ends with its parent takes a moment to go, and may need a core for it.
        try:
            wait_until(lambda: not still_there(), 3, "left behind")
        except AssertionError:
            pass
        left = still_there()
        for process in left:
            process.kill()
        if self.supervisor is not None:
            self.supervisor.wait(10)
        assert not left, "left behind after SIGTERM: " + "; ".join(str(process) for process in left)

    def token(self, role, event=None, name=None):
        """Returns a token made by the command line."""
        command = [str(BINARY), "token", "--role", role, "--data-directory", str(self.data)]
        for option, value in (("event", event), ("name", name)):
            if value is not None:
                command.append(f"--{option}={value}")
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=REPOSITORY)
        assert done.returncode == 0, f"{' '.join(command[1:])}: {done.stderr}"
        return done.stdout.strip().splitlines()[-1]

    def api(self, token=None):
        """Returns a client with a bearer token, or with no credential."""
        return Api(self, token=token)

    def admin(self):
        return self.api(self.token("admin", name="Ada Admin"))

    def attendee(self, admin, event, name="Alan Attendee"):
        """Returns a client with an attendee's session cookie, by way of an invitation."""
        invitation = admin.post(f"/v1/events/{event}/invitations", {"role": "attendee", "name": name}, expect=201).json()
        guest = self.api()
        guest.sign_in(invitation=invitation["token"])
        return guest
