"""What an operator sets at the edge: certificates that change while everything runs, and proxies that are trusted."""

import pytest
from requests.adapters import HTTPAdapter

from harness.certificates import shown_certificate, write_certificate
from harness.waiting import wait_until

LISTENERS = ("https", "hls", "rtmps")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    return folder / "certificate.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def first_certificate(files):
    return write_certificate(*files)


@pytest.fixture(scope="module")
def edge(make_studio, files, first_certificate):
    """An installation with a certificate of its own, behind a proxy at 127.0.0.1."""
    studio = make_studio(
        "edge", "--certificate-file", str(files[0]), "--key-file", str(files[1]), "--trusted-proxies", "127.0.0.1",
        certificate=files[0],
    )
    yield studio
    studio.stop()


def attempt(api, forwarded_for=None):
    """Tries an invitation that does not exist; returns 404, or 429 when too many were tried."""
    headers = {} if forwarded_for is None else {"X-Forwarded-For": forwarded_for}
    return api.post("/v1/invitations/no-such-invitation/accept", {}, headers=headers, expect=(404, 429)).status_code


def use_up(api, forwarded_for=None):
    """Tries until the address that the studio sees may try no more; returns how many attempts were let through."""
    for attempts in range(2000):
        if attempt(api, forwarded_for) == 429:
            return attempts
    raise AssertionError(f"nothing limits attempts of {forwarded_for}")


def is_used_up(api, forwarded_for=None):
    """Whether that is an address whose attempts were used up just now.

    Attempts are given back as time passes, so that one more may well be let through; a fresh address has 200.
    """
    return use_up(api, forwarded_for) < 100


class FromAddress(HTTPAdapter):
    """Connects from another address of the loopback network."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, source_address=(self.address, 0), **options)


def test_a_trusted_proxy_says_who_calls(edge):
    proxy = edge.api()
    assert use_up(proxy, "203.0.113.7") >= 200
    # Somebody else behind the same proxy is another caller, and what the first one writes in front changes nothing.
    assert attempt(proxy, "198.51.100.1") == 404
    assert is_used_up(proxy, "198.51.100.99, 203.0.113.7")
    assert is_used_up(proxy, "203.0.113.7, 127.0.0.1")


def test_nobody_else_is_believed(edge):
    outsider = edge.api()
    outsider.session.mount("https://", FromAddress("127.0.0.2"))
    assert use_up(outsider, "198.51.100.50") >= 200
    # Another name for the same caller: the header of somebody who is no proxy of ours means nothing.
    assert is_used_up(outsider, "198.51.100.51")
    assert is_used_up(outsider)
    assert attempt(edge.api(), "198.51.100.50") == 404


def test_a_changed_certificate_is_used_without_a_restart(edge, files, first_certificate):
    admin = edge.admin()
    admin.post("/v1/events", {"id": "certificates", "title": "Certificates"}, expect=201)
    guest = edge.attendee(admin, "certificates")
    shown = {name: shown_certificate(edge.ports[name]) for name in LISTENERS}
    assert set(shown.values()) == {first_certificate}, shown
    with guest.socket("certificates") as socket:
        assert socket.hello
        second = write_certificate(*files)
        for name in LISTENERS:
            wait_until(
                lambda: shown_certificate(edge.ports[name]) == second, 20, f"{name} still shows the first certificate", 0.2
            )
        assert socket.closed is None, "the connection was closed"
