"""Normalised paths and globs, with independent versions of both."""

from __future__ import annotations

import itertools
import re

import pytest

from limen.engine._tables_probe import glob, host_glob, normalize


@pytest.mark.parametrize(
    "path",
    ["", "*", "/", "/a", "/a/", "//", "//a//b", "/a.b", "/.well-known/x", "/a/.b", "/a/..b", "/a/b..", "/a/...", "/%20", "/%2F%5C", "/a/..;/b", "/\xff"],
)  # fmt: skip
def test_normal_already(path: str) -> None:
    raw = path.encode("latin-1")
    assert normalize(raw) == raw
    # A path that needs no change needs no room either (unless it holds an escape to look at).
    if "%" not in path:
        assert normalize(raw, 0) == raw


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/.", "/"),
        ("/..", "/"),
        ("/../..", "/"),
        ("/../a", "/a"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/./b", "/a/b"),
        ("/a/b/../c", "/a/c"),
        ("/a/b/../../c", "/c"),
        ("/a/b/../../../c", "/c"),
        ("//..", "/"),
        ("/a//..", "/a/"),
        ("/a//../b", "/a/b"),
        ("/a//../../b", "/b"),
        ("/%2e", "/"),
        ("/%2E%2e/a", "/a"),
        ("/a/.%2e/b", "/b"),
        ("/a/%2e%2e%2fb", "/a/..%2Fb"),
        ("/%7Euser", "/~user"),
        ("/%41%5a%61%7A%30%39%2d%5f%2E%7e", "/AZaz09-_.~"),
        ("/%c3%a9", "/%C3%A9"),
        ("/%2f", "/%2F"),
        ("/%00", "/%00"),
        ("/%2541", "/%2541"),
        ("/a%2fb/../c", "/c"),
    ],
)
def test_normalized(path: str, normal: str) -> None:
    assert normalize(path.encode()) == normal.encode()
    assert normalize(normal.encode()) == normal.encode()


@pytest.mark.parametrize("path", ["a", "a/b", "?", "/%", "/%4", "/%4g", "/%g4", "/a%", "/%%41", "/..%", "http://a/"])
def test_malformed(path: str) -> None:
    assert normalize(path.encode()) is None


def test_room_is_kept() -> None:
    for path in (b"/%41b", b"/a/../bcd", b"/a%20/.", b"/./"):
        normal = normalize(path)
        assert normal is not None
        for room in range(len(path) + 1):
            written = normalize(path, room)
            # Dot segments may need more room on the way than in the end.
            assert written in (normal, None)
            if room < len(normal):
                assert written is None


def slowly_normalized(path: str) -> str | None:
    """RFC 3986, 5.2.4 and 6.2.2, letter by letter."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        return None
    path = re.sub(
        r"%([0-9A-Fa-f]{2})",
        lambda m: c if re.fullmatch(r"[A-Za-z0-9._~-]", c := chr(int(m[1], 16))) else m[0].upper(),
        path,
    )
    output = ""
    while path:
        if path.startswith("/./") or path == "/.":
            path = "/" + path[3:]
        elif path.startswith("/../") or path == "/..":
            path = "/" + path[4:]
            output = output[: output.rfind("/")] if output else ""
        else:
            end = path.find("/", 1)
            end = len(path) if end < 0 else end
            output, path = output + path[:end], path[end:]
    return output


def test_every_short_path() -> None:
    for length in range(6):
        for pieces in itertools.product(["/", ".", "a", "%2e", "%2F", "%"], repeat=length):
            path = "/" + "".join(pieces)
            expected = slowly_normalized(path)
            assert normalize(path.encode()) == (None if expected is None else expected.encode()), path


def as_regex(pattern: str, separator: str) -> re.Pattern[str]:
    one = f"[^{re.escape(separator)}]"
    return re.compile(
        re.sub(
            r"\*\*+|[*?]|[^*?]",
            lambda m: {"*": one + "*", "?": one}.get(m[0], ".*" if m[0][0] == "*" else re.escape(m[0])),
            pattern,
        ),
        re.DOTALL,
    )


def test_every_short_glob() -> None:
    texts = ["".join(t) for n in range(6) for t in itertools.product("ab/", repeat=n)]
    for length in range(6):
        for pieces in itertools.product(["a", "/", "?", "*", "**"], repeat=length):
            pattern = "".join(pieces)
            regex = as_regex(pattern, "/")
            for text in texts[:: 1 if length < 4 else 7]:
                assert glob(pattern.encode(), text.encode()) == bool(regex.fullmatch(text)), (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("/static/*.css", "/static/site.css", True),
        ("/static/*.css", "/static/a/site.css", False),
        ("/static/**.css", "/static/a/site.css", True),
        ("/api/**", "/api/", True),
        ("/api/**", "/api", False),
        ("/a/*/c", "/a//c", True),
        ("/**/x/*/z", "/q/x/x/y/z", True),
        ("/v?", "/v1", True),
        ("/v?", "/v/", False),
        ("", "", True),
        ("**", "", True),
        ("*", "/", False),
    ],
)
def test_glob(pattern: str, text: str, expected: bool) -> None:
    assert glob(pattern.encode(), text.encode()) is expected


def test_host_glob_separates_at_dots() -> None:
    assert host_glob(b"cdn*.example.com", b"cdn7.example.com")
    assert not host_glob(b"cdn*.example.com", b"cdn.evil.example.com")
    assert host_glob(b"cdn**.example.com", b"cdn.eu.example.com")
    assert host_glob(b"a?c.d", b"abc.d")
    assert not host_glob(b"a?c.d", b"a.c.d")
    assert host_glob(b"x/*", b"x/y/z")


@pytest.mark.slow
def test_hostile_globs_end() -> None:
    # An exponential or cubic matcher would not come back for hours.
    text = b"/" + b"a" * 4000 + b"/" + b"a" * 4000
    for pattern in (
        b"**a*a*a*a*a*b",
        b"**a*/a*a*b**c",
        b"*a" * 30 + b"**" + b"a*" * 30 + b"b",
        b"**?" * 100 + b"b",
        b"**/*a/*b",
    ):
        assert not glob(pattern, text)
        assert not glob(pattern, b"a/" * 4000)
