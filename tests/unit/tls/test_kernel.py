"""When the kernel seals for us."""

import errno

import pytest

from limen.tls import kernel


@pytest.mark.parametrize(
    ("release", "flags", "keeps_up"),
    [
        ("6.11.0-1-amd64", "aes vaes avx512f", True),
        ("6.18.44", "aes vaes avx512f", True),
        ("7.0", "aes vaes avx512f", True),
        ("6.1.0-56-amd64", "aes vaes avx512f", False),
        ("6.10.9", "aes vaes avx512f", False),
        ("6.1.0-56-amd64", "aes vaes avx2", True),
        ("5.15.0-generic", "aes", True),
        ("5.15.0-generic", "", True),
        ("odd", "aes vaes avx512f", False),
    ],
)
def test_it_has_to_keep_up(release, flags, keeps_up):
    assert kernel.keeps_up(release, frozenset(flags.split())) is keeps_up


@pytest.mark.parametrize(
    ("error", "found"), [(errno.ENOTCONN, True), (None, True), (errno.ENOENT, False), (errno.ENOPROTOOPT, False)]
)
def test_it_has_to_be_there(monkeypatch, error, found):
    asked = []

    class Probe:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def setsockopt(self, *arguments):
            asked.append(arguments)
            if error is not None:
                raise OSError(error, "as the kernel says")

    monkeypatch.setattr(kernel.socket, "socket", Probe)
    assert kernel.has_tls() is found
    assert asked == [(6, 31, b"tls")]


def test_flags_of_this_processor():
    assert all(flag == flag.strip() for flag in kernel.processor())
