"""A client of the REST interface that checks the form of every error."""

import json

import requests

from .live import EventSource, LiveSocket
from .waiting import wait_until


class Api:
    """One caller: a bearer token, or a session cookie with the Origin that changes need."""

    def __init__(self, studio, token=None):
        self.studio = studio
        self.token = token
        self.session = requests.Session()
        self.session.verify = str(studio.certificate)
        self.session.trust_env = False
        self.me = None

    @property
    def cookie_header(self):
        """The session cookie as a header: `requests` treats the host name localhost as one of its own making."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies if cookie.path == "/")

    def headers(self, origin=True):
        headers = {"User-Agent": "proscenium-end-to-end"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        elif origin:
            headers["Origin"] = self.studio.origin
        return headers

    def request(self, method, path, body=None, *, expect=None, headers=None, origin=True, data=None, timeout=60):
        """Sends a request; fails when the status is not `expect` (a number or several), or an error is malformed."""
        sent = self.headers(origin) | (headers or {})
        if data is None and method not in ("GET", "HEAD", "DELETE"):
            data = json.dumps({} if body is None else body)
        if data is not None or method == "DELETE":
            sent.setdefault("Content-Type", "application/json")
        sent = {name: value for name, value in sent.items() if value is not None}
        response = self.session.request(
            method, self.studio.origin + path, data=data, headers=sent, timeout=timeout, allow_redirects=False
        )
        if response.status_code >= 400 and method != "HEAD":
            check_problem(response)
        if expect is not None:
            expected = expect if isinstance(expect, tuple) else (expect,)
            assert response.status_code in expected, (
                f"{method} {path}: {response.status_code} where {expect} was expected: {response.text[:600]}"
            )
        return response

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def put(self, path, body=None, **options):
        return self.request("PUT", path, body, **options)

    def patch(self, path, body=None, **options):
        return self.request("PATCH", path, body, **options)

    def sign_in(self, expect=201, **credential):
        """Makes a session of `token=` or `invitation=`."""
        # Attempts are limited for each address, and here everybody has the same one.
        answers = []

        def is_answered():
            answers.append(self.post("/v1/sessions", credential))
            return answers[-1].status_code != 429

        wait_until(is_answered, 20, "too many attempts", 0.5)
        response = answers[-1]
        expected = expect if isinstance(expect, tuple) else (expect,)
        assert response.status_code in expected, f"sign in: {response.status_code}: {response.text[:600]}"
        if response.status_code == 201:
            self.me = response.json()
        return response

    def ticket(self, event, **options):
        return self.post("/v1/tickets", {"event": event}, **options)

    def socket(self, event, resume=None, ticket=None):
        """Opens the live channel as a page does: with a ticket."""
        if ticket is None:
            ticket = self.ticket(event, expect=(200, 201)).json()["ticket"]
        return LiveSocket(self.studio, event, ticket, resume)

    def events(self, event, resume=None):
        """Opens the live channel as server-sent events."""
        return EventSource(self, event, resume)


def check_problem(response):
    """Fails when an error answer is not what RFC 9457 and the contract say."""
    where = f"{response.request.method} {response.request.path_url} -> {response.status_code}"
    kind = response.headers.get("Content-Type", "").split(";")[0]
    assert kind == "application/problem+json", f"{where}: an error of type {kind!r}: {response.text[:300]}"
    problem = response.json()
    for key in ("type", "title", "status"):
        assert problem.get(key), f"{where}: the problem has no {key}: {problem}"
    assert problem["status"] == response.status_code, f"{where}: the problem says {problem['status']}"
    if response.status_code == 429:
        assert "Retry-After" in response.headers, f"{where}: without Retry-After"
