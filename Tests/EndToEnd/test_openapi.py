"""The description of the API, and of the settings: valid, served, and in step with the program."""

import re
import subprocess

import requests
from openapi_spec_validator import validate
from openapi_spec_validator.readers import read_from_filename

from harness.studio import BINARY, REPOSITORY


def test_the_description_is_valid_and_served(studio):
    written, _ = read_from_filename(str(REPOSITORY / "docs/openapi.yaml"))
    validate(written)
    served = studio.api().get("/openapi.json", expect=200)
    assert served.headers["Content-Type"] == "application/json"
    assert served.json() == written


def test_the_hls_listener_answers_what_is_described(studio):
    """What Output says without cookies is the problem that the description names."""
    written, _ = read_from_filename(str(REPOSITORY / "docs/openapi.yaml"))
    paths = [path for path, item in written["paths"].items() if "servers" in item]
    assert len(paths) == 4
    for path in paths:
        response = requests.get(
            studio.hls_origin + re.sub(r"\{\w+\}", "1", path), verify=str(studio.certificate), timeout=10
        )
        assert response.status_code == 403, path
        assert response.headers["Content-Type"] == "application/problem+json", path
        schema = written["components"]["schemas"]["Problem"]
        assert set(schema["required"]) <= set(response.json()) <= set(schema["properties"]), path


def test_every_setting_is_described():
    rows = {}
    for line in (REPOSITORY / "docs/configuration.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("`"):
            rows[cells[0].strip("`")] = (cells[1].strip("`"), cells[2].strip("`"), cells[3])
    source = (REPOSITORY / "Sources/proscenium/Settings.swift").read_text()
    settings = re.findall(r'\.init\(\s*name: "([^"]+)", standard: "([^"]*)",\s*reason: "([^"]+)"\)', source)
    assert len(settings) == source.count("standard: \""), "a setting is written in a form that this test can't read"
    assert list(rows) == [name for name, _, _ in settings]
    for name, standard, reason in settings:
        variable = "PROSCENIUM_" + name.upper().replace("-", "_")
        assert rows[name][:2] == (standard or "empty", variable), name
        assert rows[name][2], name
    done = subprocess.run([str(BINARY), "serve", "--help"], capture_output=True, text=True, timeout=30)
    flags = set(re.findall(r"^\s+--([a-z0-9-]+) ", done.stdout, re.MULTILINE)) - {"config", "demo"}
    assert flags == set(rows), "serve --help and docs/configuration.md name different settings"
