"""Files of passwords and tokens: each line is right, or the file is refused with the number of the line."""

import argon2
import bcrypt
import pytest

from limen.exchange.identity import Named
from limen.policy.identity.passwords import FileRefused, parse_passwords
from limen.policy.identity.tokens import digest_of, parse_tokens
from limen.runtime.identity.basic import STAND_INS, verify

# the salts are fixed, so that all processes of a test run have the same names of tests
SALT = b"$2b$04$abcdefghijklmnopqrstuu"
BCRYPT = bcrypt.hashpw(b"wonderland", SALT).decode()
ARGON2 = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("builder", salt=bytes(16))


def test_both_kinds_with_comments_and_empty_lines():
    table = parse_passwords(f"# staff\r\n\nalice:{BCRYPT}\r\nJosé:{ARGON2}\n".encode(), STAND_INS)
    assert dict(table.hashes) == {"alice": BCRYPT, "José": ARGON2}
    assert verify(table.hashes["alice"], "wonderland")
    assert not verify(table.hashes["alice"], "Wonderland")
    assert verify(table.hashes["José"], "builder")
    assert not verify(table.hashes["José"], "")
    assert BCRYPT not in repr(table)


def test_what_htpasswd_writes():
    """Its bcrypt hashes begin with $2y$."""
    assert verify("$2y" + BCRYPT[3:], "wonderland")


def test_bcrypt_never_leaves_out_what_was_typed():
    long = bcrypt.hashpw(b"a" * 72, SALT).decode()
    assert verify(long, "a" * 72)
    assert not verify(long, "a" * 73)
    short = bcrypt.hashpw(b"ab", SALT).decode()
    assert not verify(short, "ab\0c")


@pytest.mark.parametrize(
    ("lines", "setting"),
    [
        ([f"a:{BCRYPT}"], "$2b$04$"),
        ([f"a:{ARGON2}"], "$argon2id$v=19$m=64,t=1,p=1$"),
        ([f"a:{ARGON2}", f"b:{BCRYPT}", f"c:{BCRYPT}"], "$2b$04$"),
        ([], "$2b$12$"),
    ],
)
def test_the_stand_in_costs_what_most_cost(lines, setting):
    table = parse_passwords("\n".join(lines).encode(), STAND_INS)
    assert table.stand_in.startswith(setting)
    assert not verify(table.stand_in, "")
    assert not verify(table.stand_in, "wonderland")
    assert not verify(table.stand_in, "builder")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"alice", "line 1: write it like name:hash"),
        (b"\n:x", "line 2: write it like name:hash"),
        (b"alice:", "line 1: write it like name:hash"),
        (b"alice:wonderland", "line 1: the hash is a plain text"),
        (b"alice:$apr1$7a2b$1xTmZ0u3sQ5u0xJgPq9aH.", "line 1: the hash is MD5"),
        (b"alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "line 1: the hash is SHA-1"),
        (b"alice:$6$abc$def", "line 1: the hash is SHA-512 crypt"),
        (b"alice:$5$abc$def", "line 1: the hash is SHA-256 crypt"),
        (b"alice:$y$j9T$abc", "line 1: the hash is yescrypt"),
        (b"alice:rl0uE3tJ0Wt3M", "line 1: the hash is DES crypt"),
        (b"alice:" + BCRYPT.encode() + b"x", "line 1: the hash is"),
        (b"alice:" + BCRYPT.replace("$04$", "$31$").encode(), "line 1: a bcrypt cost of 31 is more than 16"),
        (b"alice:" + ARGON2.replace("m=64", "m=9999999").encode(), "9999999 KiB of memory"),
        (f"a:{BCRYPT}\na:{BCRYPT}".encode(), "line 2: the name 'a' stands twice"),
        (f"a:{BCRYPT}\n".encode() + b"\xff:x", "line 2: it is not UTF-8"),
    ],
)
def test_refused_passwords(content, message):
    with pytest.raises(FileRefused) as caught:
        parse_passwords(content, STAND_INS)
    assert message in str(caught.value)
    assert "wonderland" not in str(caught.value)


DIGEST = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"  # of "example"


def test_tokens():
    tokens = parse_tokens(f"# robots\nbuilds:sha256:{DIGEST}:robots, ci\n".encode())
    assert tokens[digest_of("example")] == Named("builds", ("robots", "ci"))
    assert digest_of("Example") not in tokens
    assert digest_of("") not in tokens
    assert parse_tokens(f"b:sha256:{DIGEST.upper()}".encode())[digest_of("example")] == Named("b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"builds:example", "line 1: write it like name:sha256:digest"),
        (b"builds:sha256:abc", "line 1: write it like"),
        (f":sha256:{DIGEST}".encode(), "line 1: write it like"),
        (f"a:sha256:{DIGEST}\nb:sha256:{DIGEST}".encode(), "line 2: the token is also 'a'"),
        (b"\xff", "line 1: it is not UTF-8"),
    ],
)
def test_refused_tokens(content, message):
    with pytest.raises(FileRefused) as caught:
        parse_tokens(content)
    assert message in str(caught.value)
