"""Takes what others test their parsers with out of their archives; `scripts/bootstrap tests` runs it on a folder of them.

What stands in files becomes files. What stands in a test's source, in Go or C++, is read as the values that it writes
down: bytes become `.bin`, descriptions of sessions `.sdp`, and Go's tables, with what they expect, `cases.json`.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

TOKEN = re.compile(
    rb"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<raw>`[^`]*`)|(?P<string>"(?:\\.|[^"\\\n])*")|(?P<char>'(?:\\.|[^'\\\n])+')
    |(?P<number>0[xX][0-9a-fA-F_']+|0[bB][01_']+|\d[\d_']*(?:\.\d+)?(?:[eE][-+]?\d+)?)[uUlLfF]*
    |(?P<name>[A-Za-z_]\w*)|(?P<sign><<|>>|:=|&\^|\.\.\.|==|.)""",
    re.X | re.S,
)
ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)", re.S)
BINDING = {"*": 5, "<<": 5, ">>": 5, "&": 5, "+": 4, "-": 4, "|": 4}


def unescape(text):
    def one(match):
        found = match[1]
        if found[:1] == b"x":
            return bytes([int(found[1:], 16)])
        if found[:1] in b"uU":
            return chr(int(found[1:], 16)).encode()
        if found[:1].isdigit():
            return bytes([int(found, 8) & 255])
        return ESCAPES.get(found, found)

    return ESCAPE.sub(one, text)


def tokens(source):
    """Pairs of a kind and a value; strings are the bytes that they stand for."""
    found = []
    for match in TOKEN.finditer(source):
        kind, text = match.lastgroup, match.group(match.lastgroup)
        if kind == "raw":
            found.append(("string", Text(text[1:-1].replace(b"\r", b""))))
        elif kind == "string":
            found.append((kind, Text(unescape(text[1:-1]))))
        elif kind == "char":
            found.append(("number", ord(unescape(text[1:-1]).decode("utf-8", "replace")[0])))
        elif kind == "number":
            digits = text.decode().replace("_", "").replace("'", "")
            octal = re.fullmatch(r"0[0-7]+", digits)
            found.append((kind, int(digits, 8) if octal else ast.literal_eval(digits)))
        elif kind != "space":
            found.append((kind, text.decode("utf-8", "replace")))
    return found


class Text(bytes):
    """A string, which may become bytes by a conversion."""


class NoValue(Exception):
    """What stands there is not written down as a value."""


class Go:
    """Reads composite literals, such as tables of tests; what has to be computed is None."""

    def __init__(self, source):
        self.tokens, self.at = tokens(source), 0

    def peek(self, ahead=0):
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else ("end", "")

    def takes(self, sign):
        if self.peek() == ("sign", sign):
            self.at += 1
            return True
        return False

    def expect(self, sign):
        if not self.takes(sign):
            raise NoValue

    def skip_group(self):
        depth = 0
        while True:
            kind, value = self.peek()
            if kind == "end":
                raise NoValue
            self.at += 1
            depth += kind == "sign" and (value in "([{") - (value in ")]}")
            if depth == 0:
                return

    def type(self):
        """A type as ("list", what of), ("map", what of) or (its name, None)."""
        while self.takes("*"):
            pass
        if self.peek() == ("sign", "["):
            self.skip_group()
            return ("list", self.type())
        kind, name = self.peek()
        if kind != "name":
            raise NoValue
        self.at += 1
        if name == "map":
            self.skip_group()
            return ("map", self.type())
        if name in ("struct", "interface") and self.peek() == ("sign", "{"):
            self.skip_group()
        while self.peek() == ("sign", ".") and self.peek(1)[0] == "name":
            name = self.peek(1)[1]
            self.at += 2
        return (name, None)

    def value(self, of=None, binding=0):
        left = self.operand(of)
        while self.peek()[0] == "sign" and BINDING.get(self.peek()[1], -1) > binding:
            sign = self.peek()[1]
            self.at += 1
            left = self.compute(left, sign, self.value(None, BINDING[sign]))
        return left

    @staticmethod
    def compute(left, sign, right):
        if isinstance(left, bytes) and isinstance(right, bytes) and sign == "+":
            return Text(left + right)
        if not (isinstance(left, int) and isinstance(right, int)) or (sign == "<<" and right > 64):
            return None
        return {
            "*": left * right, "+": left + right, "-": left - right, "|": left | right, "&": left & right,
            "<<": left << (right if sign == "<<" else 0), ">>": left >> (right if sign == ">>" else 0),
        }[sign]  # fmt: skip

    def operand(self, of):
        kind, value = self.peek()
        if kind in ("string", "number"):
            self.at += 1
            return value
        if self.takes("&") or self.takes("!"):
            return self.operand(of)
        if self.takes("-"):
            found = self.operand(None)
            return -found if isinstance(found, (int, float)) else None
        if self.takes("("):
            found = self.value()
            self.expect(")")
            return self.behind(found)
        if self.peek() == ("sign", "{"):
            return self.elements(of)
        if (kind, value) == ("name", "func"):
            while self.peek() != ("sign", "{"):
                self.skip_group()
            self.skip_group()
            return self.behind(None)
        named = self.type()
        if self.peek() == ("sign", "{"):
            return self.elements(named)
        if self.peek() == ("sign", "("):
            before = self.at
            self.at += 1
            try:
                found = self.value()
                self.takes(",")
                self.expect(")")
                # A conversion has one argument, and the name of a type.
                if named == ("list", ("byte", None)) and isinstance(found, Text):
                    return self.behind(bytes(found))
                converts = named[0] in ("string", "byte", "uint8", "uint16", "uint32") or named[0][:1].isupper()
                return self.behind(found if converts else None)
            except NoValue:
                self.at = before
                self.skip_group()
                return self.behind(None)
        if named[0] in ("true", "false", "nil"):
            return {"true": True, "false": False, "nil": None}[named[0]]
        return self.behind(named[0])

    def behind(self, found):
        while self.peek() in (("sign", "["), ("sign", "("), ("sign", ".")):
            if self.takes("."):
                self.at += 1
            else:
                self.skip_group()
            found = None
        return found

    def elements(self, of):
        self.expect("{")
        inner = of[1] if of and of[0] in ("list", "map") else None
        keyed, plain = {}, []
        while not self.takes("}"):
            found = self.value(inner)
            if self.takes(":"):
                key = found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
                keyed[key] = self.value(inner)
            else:
                plain.append(found)
            if not self.takes(","):
                self.expect("}")
                break
        if of and of[0] == "list" and inner and inner[0] in ("byte", "uint8"):
            isBytes = not keyed and all(type(one) is int and 0 <= one < 256 for one in plain)
            return bytes(plain) if isBytes else None
        return keyed if keyed else plain

    def cases(self):
        """Each literal of the file, with the function it stands in and the name of what it is given to."""
        test = ""
        while self.peek()[0] != "end":
            start, (kind, value) = self.at, self.peek()
            if (kind, value) == ("name", "func") and self.peek(1)[0] == "name":
                test = self.peek(1)[1]
            begins = (kind, value) == ("sign", "[") or (kind, value) == ("name", "map") or kind == "string"
            given = start > 1 and self.tokens[start - 1][1] in (":=", "=", ":") and self.tokens[start - 2][0] == "name"
            if begins or (given and kind in ("name", "sign")):
                try:
                    found = self.value()
                    if isinstance(found, (bytes, list, dict)) and found:
                        yield test, self.tokens[start - 2][1] if given else "", found
                        continue
                except NoValue:
                    pass
            self.at = start + 1


class Cpp(Go):
    """Reads arrays of numbers, by the constants that are known, and texts."""

    def __init__(self, source, constants):
        super().__init__(source)
        self.constants = dict(constants)

    def operand(self, of):
        kind, value = self.peek()
        if kind != "name":
            return super().operand(of) if kind == "number" or value in ("(", "-") else self.fail()
        self.at += 1
        while self.peek() == self.peek(1) == ("sign", ":") and self.peek(2)[0] == "name":
            value += "::" + self.peek(2)[1]
            self.at += 3
        return self.constants[value] if value in self.constants else self.fail()

    @staticmethod
    def fail():
        raise NoValue

    def numbers(self):
        self.expect("{")
        found = []
        while not self.takes("}"):
            found.append(self.value())
            if not self.takes(","):
                self.expect("}")
                break
        return found

    def learn(self):
        """The constants of classes in a header, those of their bases with them."""
        owner, bases = "", {}
        while self.peek()[0] != "end":
            kind, value = self.peek()
            if (kind, value) == ("name", "class") and self.peek(1)[0] == "name":
                owner = self.peek(1)[1]
                if self.peek(2) == ("sign", ":") and self.peek(3) == ("name", "public"):
                    bases[owner] = self.peek(4)[1]
            elif kind == "name" and self.peek(1) == ("sign", "=") and self.peek(2)[0] == "number":
                self.constants[f"{owner}::{value}"] = self.peek(2)[1]
            self.at += 1
        return self.constants, bases

    def cases(self):
        depth, test = 0, ""
        while self.peek()[0] != "end":
            start, (kind, value) = self.at, self.peek()
            self.at += 1
            depth += kind == "sign" and ((value == "{") - (value == "}"))
            if kind == "name" and self.peek() == ("sign", "("):
                if value.startswith("TEST"):
                    test = str(self.peek(3)[1])
                elif depth == 0:
                    test = value
            if (kind, value) != ("sign", "="):
                continue
            before = self.tokens[max(0, start - 8) : start]
            begins = max((i for i, token in enumerate(before) if token[1] in (";", "}", "{")), default=-1)
            bracket = next((i for i, token in enumerate(before) if token[1] == "[" and i > begins), None)
            names = [word for what, word in before[begins + 1 : bracket] if what == "name"]
            kind, value = self.peek()
            if not names:
                continue
            if kind == "string":
                text = b""
                while self.peek()[0] == "string":
                    text += self.peek()[1]
                    self.at += 1
                yield test, names[-1], Text(text)
                continue
            try:
                if (kind, value) != ("sign", "{"):
                    found = self.value()
                    if self.peek() == ("sign", ";") and isinstance(found, int):
                        self.constants[names[-1]] = found
                    continue
                found = self.numbers()
                isBytes = set(names) & {"uint8_t", "char"} and all(0 <= one < 256 for one in found)
                # Few zeros alone are filled in by what follows.
                if any(found) or len(found) > 8:
                    yield test, names[-1], bytes(found) if isBytes else found
            except (NoValue, TypeError):
                self.at = start + 1


def take_cpp(target, sources, headers=()):
    """Tests of C++; `sources` gives a stem and a text, `headers` texts whose constants the tests name."""
    constants, bases, cases = {}, {}, []
    for header in headers:
        found, inherited = Cpp(header, constants).learn()
        constants |= found
        bases |= inherited
    for owner in bases:
        base = bases[owner]
        for name in [name for name in constants if name.startswith(base + "::")]:
            constants.setdefault(owner + name.removeprefix(base), constants[name])
    for stem, source in sources:
        for test, name, value in Cpp(source, constants).cases():
            if isinstance(value, Text) and not value.startswith(b"v=0"):
                continue
            cases.append({"file": stem, "test": test, "name": name, "value": plain(value)})
            keep_values(target, [stem, test, name], value)
    (target / "cases.json").write_text(json.dumps(cases, indent=1))


def plain(value):
    """A value as JSON has it, bytes in hexadecimal digits."""
    if isinstance(value, Text):
        return value.decode("utf-8", "replace")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def byte_strings(value, path):
    """All bytes and all descriptions inside a value, with the names on the way to them."""
    if isinstance(value, bytes) and (not isinstance(value, Text) or value.lstrip().startswith(b"v=0")):
        yield path, value
    elif isinstance(value, dict):
        named = value.get("Name") or value.get("name")
        inside = path + ([named.decode("utf-8", "replace")] if isinstance(named, bytes) else [])
        for key, one in value.items():
            if key not in ("Name", "name"):
                yield from byte_strings(one, inside + [key])
    elif isinstance(value, list):
        for one in value:
            yield from byte_strings(one, path)


def keep(target, words, data, suffix):
    stem, number = re.sub(r"[^A-Za-z0-9]+", "_", "-".join(word for word in words if word))[:150], 1
    path = target / (stem + suffix)
    while path.exists():
        if path.read_bytes() == data:
            return
        number += 1
        path = target / f"{stem}-{number}{suffix}"
    path.write_bytes(data)


def keep_values(target, words, value):
    for path, data in byte_strings(value, []):
        text = data.lstrip()
        if not data:
            continue
        if text.startswith(b"v=0"):
            keep(target, words + path, text, ".sdp")
        else:
            keep(target, words + path, data, ".bin")


def take_go(target, files):
    """Tests of Go, their data, and what their fuzzer keeps; `files` gives a path and its bytes."""
    cases = []
    for path, data in files:
        if path.name.endswith("_test.go"):
            stem = path.name.removesuffix("_test.go")
            for test, name, value in Go(data).cases():
                if isinstance(value, Text) and not value.lstrip().startswith(b"v=0"):
                    continue
                cases.append({"file": stem, "test": test, "name": name, "value": plain(value)})
                keep_values(target, [stem, test, name], value)
        elif "testdata" in path.parts and "fuzz" in path.parts:
            for line in data.split(b"\n")[1:]:
                try:
                    value = Go(line).value()
                except NoValue:
                    continue
                if isinstance(value, bytes):
                    keep(target, ["fuzz", path.parent.name, path.name[:16]], value, ".bin")
        elif "testdata" in path.parts:
            (target / path.name).write_bytes(data)
    (target / "cases.json").write_text(json.dumps(cases, indent=1))


def members(archive):
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile():
                yield Path(*Path(member.name).parts[1:]), tar.extractfile(member)


def take(archive):
    name = re.split(r"_|-\d", archive.name)[0]
    target = archive.parent / name.replace("golang-github-", "").removesuffix("-dev").split(".")[0]
    target = target.with_name("libwebrtc" if name == "libtgowt" else target.name)
    target.mkdir()
    if archive.suffix == ".deb":
        unpacked = archive.parent / "unpacked"
        subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
        files = sorted(path for path in unpacked.rglob("*") if path.is_file())
        take_go(target, [(path.relative_to(unpacked), path.read_bytes()) for path in files])
        shutil.rmtree(unpacked)
    elif name.startswith("golang-"):
        take_go(target, [(path, file.read()) for path, file in members(archive) if "test" in str(path)])
    elif name in ("janus", "libsrtp2"):
        # janus/fuzzers/corpora/rtcp_fuzzer/NAME becomes janus/rtcp_fuzzer-NAME; all of libsrtp's are of one kind.
        sources = []
        for path, file in members(archive):
            if path.parts[:2] in (("fuzzers", "corpora"), ("fuzzer", "corpus")):
                (target / "-".join(path.parts[2:])).write_bytes(file.read())
            elif path.name in ("srtp_driver.c", "cipher_test_cases.c", "auth_test_cases.c"):
                sources.append((path.stem, file.read()))
        if sources:
            vectors = target.with_name("libsrtp2-vectors")
            vectors.mkdir()
            take_cpp(vectors, sources)
    elif name == "libtgowt":
        # Telegram's copy of libwebrtc has the tests of it; not their data.
        sources, headers = [], []
        for path, file in members(archive):
            if path.name.endswith("_unittest.cc") and set(path.parts) & {"rtp_rtcp", "transport", "pc", "h264"}:
                sources.append((path.name.removesuffix("_unittest.cc"), file.read()))
            elif path.suffix == ".h" and path.parent.name == "rtcp_packet":
                headers.append(file.read())
        take_cpp(target, sources, headers)
    else:
        for path, file in members(archive):
            if "tests" in path.parts and path.suffix == ".bin":
                (target / path.name).write_bytes(file.read())
            elif "tests" in path.parts and path.name == "test_sdp.py":
                nodes = ast.walk(ast.parse(file.read()))
                texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
                descriptions = dict.fromkeys(text.lstrip() for text in texts if text.lstrip().startswith("v=0"))
                for index, text in enumerate(descriptions):
                    (target / f"{index:02}.sdp").write_text(text)
    archive.unlink()


for found in sorted(Path(sys.argv[1]).iterdir()):
    if found.suffix == ".deb" or ".tar." in found.name:
        take(found)
