"""Looking for a secret where it must not stand: in every file, in every way that somebody may have written it."""

import base64
from pathlib import Path


def spellings(secret):
    """Returns what a secret looks like as it is, in hexadecimal digits, and in Base64 wherever in a longer text it stands."""
    found = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    for lead in range(3):
        # Six bits a letter: the letters at the ends are of the neighbours, too.
        text = base64.b64encode(b"\0" * lead + secret)
        inner = text[-(-lead * 8 // 6) :].rstrip(b"=")
        inner = inner[: len(secret) * 8 // 6 - 1]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def where(secret, places):
    """Returns the files, and those in folders, that hold a secret."""
    wanted = spellings(secret)
    files = [file for place in map(Path, places) for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
    return {file for file in files if any(spelling in file.read_bytes() for spelling in wanted)}
