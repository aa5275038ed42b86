"""The AES-GCM that libssl is given, held against libcrypto's own: through EVP, as libssl calls it."""

import ctypes
import ctypes.util
import gc
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import example, given
from hypothesis import strategies as st

gcm = pytest.importorskip("limen.engine.tls.gcm", reason="not built: intel-ipsec-mb is missing")
if not gcm.install(anyway=True):
    pytest.skip("this processor has no VAES with AVX-512", allow_module_level=True)

LIMEN, DEFAULT = gcm.PREFERENCE, b"provider=default"
SET_IV_SIZE, GET_TAG, SET_TAG, SET_FIXED_IV, TLS_AAD = 0x9, 0x10, 0x11, 0x12, 0x16
TAG = 16


def crypto() -> ctypes.CDLL:
    """The libcrypto that the engine is linked with; a second one in the process would know nothing of the provider."""
    with open("/proc/self/maps", encoding="utf-8") as lines:
        paths = {line.split()[-1] for line in lines if "/libcrypto.so.3" in line}
    (path,) = paths
    library = ctypes.CDLL(path)
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    library.EVP_CIPHER_fetch.argtypes, library.EVP_CIPHER_fetch.restype = (pointer, text, text), pointer
    library.EVP_CIPHER_get0_provider.argtypes, library.EVP_CIPHER_get0_provider.restype = (pointer,), pointer
    library.OSSL_PROVIDER_get0_name.argtypes, library.OSSL_PROVIDER_get0_name.restype = (pointer,), text
    library.EVP_CIPHER_free.argtypes, library.EVP_CIPHER_free.restype = (pointer,), None
    library.EVP_CIPHER_CTX_new.argtypes, library.EVP_CIPHER_CTX_new.restype = (), pointer
    library.EVP_CIPHER_CTX_free.argtypes, library.EVP_CIPHER_CTX_free.restype = (pointer,), None
    library.EVP_CIPHER_CTX_copy.argtypes = (pointer, pointer)
    library.EVP_CipherInit_ex.argtypes = (pointer, pointer, pointer, text, text, size)
    library.EVP_CIPHER_CTX_ctrl.argtypes = (pointer, size, size, pointer)
    library.EVP_CipherUpdate.argtypes = (pointer, pointer, ctypes.POINTER(size), pointer, size)
    library.EVP_CipherFinal_ex.argtypes = (pointer, pointer, ctypes.POINTER(size))
    for name in ("key", "iv"):
        getattr(library, f"EVP_CIPHER_CTX_get_{name}_length").argtypes = (pointer,)
    library.ERR_clear_error.argtypes = ()
    return library


CRYPTO = crypto()


class Refused(Exception):
    """libcrypto said no."""


def must(result: int) -> int:
    if result <= 0:
        CRYPTO.ERR_clear_error()
        raise Refused
    return result


class Evp:
    """One EVP context, set up as libssl does it."""

    def __init__(self, key: bytes, *, sealing: bool, properties: bytes = LIMEN) -> None:
        self._cipher = CRYPTO.EVP_CIPHER_fetch(None, b"AES-%d-GCM" % (len(key) * 8), properties)
        assert self._cipher
        self._native = CRYPTO.EVP_CIPHER_CTX_new()
        self.sealing = sealing
        must(CRYPTO.EVP_CipherInit_ex(self._native, self._cipher, None, None, None, int(sealing)))
        self.control(SET_IV_SIZE, 12)
        must(CRYPTO.EVP_CipherInit_ex(self._native, None, None, key, None, -1))

    def close(self) -> None:
        CRYPTO.EVP_CIPHER_CTX_free(self._native)
        CRYPTO.EVP_CIPHER_free(self._cipher)

    def control(self, kind: int, size: int, data: bytes | None = None) -> int:
        return must(CRYPTO.EVP_CIPHER_CTX_ctrl(self._native, kind, size, data))

    def begin(self, iv: bytes) -> None:
        must(CRYPTO.EVP_CipherInit_ex(self._native, None, None, None, iv, int(self.sealing)))

    def aad(self, data: bytes) -> None:
        written = ctypes.c_int()
        must(CRYPTO.EVP_CipherUpdate(self._native, None, ctypes.byref(written), data, len(data)))

    def update(self, data: bytes) -> bytes:
        out, written = ctypes.create_string_buffer(len(data) + 1), ctypes.c_int()
        must(CRYPTO.EVP_CipherUpdate(self._native, out, ctypes.byref(written), data, len(data)))
        return out.raw[: written.value]

    def finish(self) -> None:
        out, written = ctypes.create_string_buffer(32), ctypes.c_int(7)
        must(CRYPTO.EVP_CipherFinal_ex(self._native, out, ctypes.byref(written)))
        assert written.value == 0

    def tag(self, size: int = TAG) -> bytes:
        out = ctypes.create_string_buffer(size)
        must(CRYPTO.EVP_CIPHER_CTX_ctrl(self._native, GET_TAG, size, out))
        return out.raw

    def record(self, data: bytes) -> bytes:
        """A record of TLS 1.2, in place."""
        buffer, written = ctypes.create_string_buffer(data, len(data)), ctypes.c_int()
        try:
            must(CRYPTO.EVP_CipherUpdate(self._native, buffer, ctypes.byref(written), buffer, len(data)))
        except Refused as error:
            error.left = buffer.raw
            raise
        return buffer.raw[: written.value] if self.sealing else buffer.raw[8 : 8 + written.value]


@pytest.fixture
def make() -> Iterator:
    """`make(key, sealing=…)`; all are freed at the end."""
    made: list[Evp] = []

    def start(key: bytes, **options) -> Evp:
        made.append(Evp(key, **options))
        return made[-1]

    yield start
    for each in made:
        each.close()


def seal(key: bytes, iv: bytes, aad: bytes, pieces: list[bytes], properties: bytes = LIMEN) -> bytes:
    context = Evp(key, sealing=True, properties=properties)
    try:
        context.begin(iv)
        if aad:
            context.aad(aad)
        sealed = b"".join(context.update(piece) for piece in pieces)
        context.finish()
        return sealed + context.tag()
    finally:
        context.close()


def unseal(key: bytes, iv: bytes, aad: bytes, sealed: bytes, cuts: list[int], properties: bytes = LIMEN) -> bytes:
    context = Evp(key, sealing=False, properties=properties)
    try:
        context.begin(iv)
        context.control(SET_TAG, TAG, sealed[-TAG:])
        if aad:
            context.aad(aad)
        content = sealed[:-TAG]
        ends = sorted(min(cut, len(content)) for cut in cuts)
        opened = b"".join(context.update(content[a:b]) for a, b in zip([0, *ends], [*ends, len(content)], strict=True))
        context.finish()
        return opened
    finally:
        context.close()


KEYS = st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32)
IVS = st.binary(min_size=12, max_size=12)
AADS = st.binary(max_size=64)
# long ones are made of few random bytes; sizes about multiples of the block, and of the 16 and 48 blocks at a time
SIZES = st.integers(0, 2000) | st.sampled_from([15, 16, 17, 255, 256, 257, 767, 768, 769, 16384, 16385, 16401])


def fill(size: int, seed: int) -> bytes:
    return bytes((seed + i * 7 + (i >> 8)) & 0xFF for i in range(size))


def test_it_is_the_one_that_is_preferred():
    for name in (b"AES-128-GCM", b"AES-256-GCM", b"id-aes128-GCM", b"id-aes256-GCM"):
        for properties, wanted in ((LIMEN, b"limen"), (None, b"default"), (DEFAULT, b"default")):
            cipher = CRYPTO.EVP_CIPHER_fetch(None, name, properties)
            assert CRYPTO.OSSL_PROVIDER_get0_name(CRYPTO.EVP_CIPHER_get0_provider(cipher)) == wanted
            CRYPTO.EVP_CIPHER_free(cipher)
    # what it does not have comes from where it came from
    cipher = CRYPTO.EVP_CIPHER_fetch(None, b"ChaCha20-Poly1305", LIMEN)
    assert CRYPTO.OSSL_PROVIDER_get0_name(CRYPTO.EVP_CIPHER_get0_provider(cipher)) == b"default"
    CRYPTO.EVP_CIPHER_free(cipher)


def test_a_published_vector():
    """Test case 4 of McGrew and Viega, which SP 800-38D refers to."""
    key, iv = bytes.fromhex("feffe9928665731c6d6a8f9467308308"), bytes.fromhex("cafebabefacedbaddecaf888")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    content = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
        "b16aedf5aa0de657ba637b39"
    )
    sealed = bytes.fromhex(
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05"
        "1ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"
    )
    assert seal(key, iv, aad, [content]) == sealed
    assert unseal(key, iv, aad, sealed, []) == content


@given(KEYS, IVS, AADS, SIZES, st.integers(0, 255), st.lists(st.integers(0, 17000), max_size=4))
@example(bytes(16), bytes(12), b"", 0, 0, [])
@example(bytes(32), b"\xff" * 12, b"a" * 64, 16401, 1, [1, 15, 16, 300])
def test_it_seals_and_opens_as_others_do(key, iv, aad, size, seed, cuts):
    content = fill(size, seed)
    ends = sorted(min(cut, size) for cut in cuts)
    pieces = [content[a:b] for a, b in zip([0, *ends], [*ends, size], strict=True)]
    sealed = AESGCM(key).encrypt(iv, content, aad)
    assert seal(key, iv, aad, pieces) == sealed
    assert seal(key, iv, aad, pieces, DEFAULT) == sealed
    assert unseal(key, iv, aad, sealed, cuts) == content


@given(KEYS, IVS, AADS, st.integers(0, 600), st.data())
def test_what_was_changed_is_refused(key, iv, aad, size, data):
    sealed = bytearray(AESGCM(key).encrypt(iv, fill(size, 3), aad))
    at = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(Refused):
        unseal(key, iv, aad, bytes(sealed), [])
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(Refused):
        unseal(key, iv, aad + b"x" if len(aad) < 64 else aad[1:], bytes(sealed), [])
    with pytest.raises(InvalidTag):
        AESGCM(key).decrypt(iv, bytes(sealed), aad + b"x")


def test_many_messages_of_one_context(make):
    sealer, opener = make(bytes(16), sealing=True), make(bytes(16), sealing=False)
    for number in range(300):
        iv, content = number.to_bytes(12, "big"), fill(number * 7, number)
        sealer.begin(iv)
        sealer.aad(b"12345")
        out = sealer.update(content)
        sealer.finish()
        opener.begin(iv)
        opener.control(SET_TAG, TAG, sealer.tag())
        opener.aad(b"12345")
        assert opener.update(out) == content
        opener.finish()


def test_a_nonce_serves_one_message(make):
    context = make(bytes(16), sealing=True)
    with pytest.raises(Refused):
        context.update(b"no nonce yet")
    context.begin(bytes(12))
    context.update(b"x")
    with pytest.raises(Refused):
        context.tag()
    with pytest.raises(Refused):
        context.aad(b"too late")
    context.finish()
    context.tag()
    for further in (lambda: context.update(b"y"), lambda: context.aad(b"y"), context.finish):
        with pytest.raises(Refused):
            further()


def test_what_tls_does_not_ask_for(make):
    sealer, opener = make(bytes(16), sealing=True), make(bytes(16), sealing=False)
    with pytest.raises(Refused):
        sealer.control(SET_IV_SIZE, 16)
    with pytest.raises(Refused):
        sealer.control(SET_TAG, TAG, bytes(16))
    with pytest.raises(Refused):
        opener.control(SET_TAG, 12, bytes(12))
    opener.begin(bytes(12))
    opener.aad(bytes(64))
    with pytest.raises(Refused):
        opener.aad(b"x")
    opener.update(b"without a tag to hold it against")
    with pytest.raises(Refused):
        opener.finish()
    keyless = CRYPTO.EVP_CIPHER_CTX_new()
    cipher = CRYPTO.EVP_CIPHER_fetch(None, b"AES-128-GCM", LIMEN)
    try:
        assert CRYPTO.EVP_CipherInit_ex(keyless, cipher, None, None, bytes(12), 1) == 1
        assert CRYPTO.EVP_CIPHER_CTX_get_key_length(keyless) == 16
        assert CRYPTO.EVP_CIPHER_CTX_get_iv_length(keyless) == 12
        written = ctypes.c_int()
        assert CRYPTO.EVP_CipherUpdate(keyless, None, ctypes.byref(written), b"x", 1) <= 0
    finally:
        CRYPTO.ERR_clear_error()
        CRYPTO.EVP_CIPHER_CTX_free(keyless)
        CRYPTO.EVP_CIPHER_free(cipher)


def header(number: int, size: int) -> bytes:
    """The additional data of a record of TLS 1.2; libssl counts nonce and tag in the length."""
    return number.to_bytes(8, "big") + b"\x17\x03\x03" + size.to_bytes(2, "big")


@pytest.mark.parametrize("size", [0, 1, 16, 100, 4096, 16384])
@pytest.mark.parametrize("key", [bytes(range(16)), bytes(range(32))], ids=["128", "256"])
@pytest.mark.parametrize(("ours", "theirs"), [(LIMEN, DEFAULT), (DEFAULT, LIMEN), (LIMEN, LIMEN)])
def test_records_of_tls_1_2(make, key, size, ours, theirs):
    sealer, opener = make(key, sealing=True, properties=ours), make(key, sealing=False, properties=theirs)
    sealer.control(SET_FIXED_IV, 4, b"\1\2\3\4")
    opener.control(SET_FIXED_IV, 4, b"\1\2\3\4")
    nonces = []
    for number in range(3):
        content = fill(size, number)
        assert sealer.control(TLS_AAD, 13, header(number, size + 8)) == TAG
        sealed = sealer.record(bytes(8) + content + bytes(16))
        nonces.append(int.from_bytes(sealed[:8], "big"))
        assert AESGCM(key).decrypt(b"\1\2\3\4" + sealed[:8], sealed[8:], header(number, size)) == content
        assert opener.control(TLS_AAD, 13, header(number, len(sealed))) == TAG
        assert opener.record(sealed) == content
    assert [(nonce - nonces[0]) % (1 << 64) for nonce in nonces] == [0, 1, 2]


def test_bad_records_of_tls_1_2(make):
    opener, sealer = make(bytes(16), sealing=False), make(bytes(16), sealing=True)
    for each in (sealer, opener):
        each.control(SET_FIXED_IV, 4, b"abcd")
        for wrong in (header(0, 7), header(0, 8)[:12]):
            with pytest.raises(Refused):
                each.control(TLS_AAD, len(wrong), wrong)
    with pytest.raises(Refused):
        opener.control(TLS_AAD, 13, header(0, 23))
    sealer.control(TLS_AAD, 13, header(0, 108))
    sealed = sealer.record(bytes(8) + fill(100, 1) + bytes(16))
    for at in range(0, len(sealed), 5):
        changed = bytearray(sealed)
        changed[at] ^= 0x10
        opener.control(TLS_AAD, 13, header(0, len(sealed)))
        with pytest.raises(Refused) as refused:
            opener.record(bytes(changed))
        assert refused.value.left[8:108] == bytes(100)  # nothing of what was not proven
    opener.control(TLS_AAD, 13, header(0, len(sealed)))
    with pytest.raises(Refused):
        opener.record(sealed[:23])
    opener.control(TLS_AAD, 13, header(0, len(sealed)))
    assert opener.record(sealed) == fill(100, 1)


def test_contexts_are_counted_copied_and_given_back():
    gc.collect()  # what other tests have left gives none back meanwhile
    before = gcm.in_use()
    first, second = Evp(bytes(16), sealing=True), Evp(bytes(32), sealing=True)
    assert gcm.in_use() == before + 2
    first.begin(bytes(12))
    half = first.update(b"first half")
    copy = CRYPTO.EVP_CIPHER_CTX_new()
    assert CRYPTO.EVP_CIPHER_CTX_copy(copy, first._native) == 1
    assert gcm.in_use() == before + 3
    first._native, copy = copy, first._native
    rest = first.update(b", the other")
    first.finish()
    assert half + rest + first.tag() == AESGCM(bytes(16)).encrypt(bytes(12), b"first half, the other", None)
    CRYPTO.EVP_CIPHER_CTX_free(copy)
    first.close()
    second.close()
    assert gcm.in_use() == before


@pytest.mark.parametrize(
    ("instead", "told"),
    [
        ("not built", ""),
        ("switched off", ""),
        ("library gone", ", its own AES-GCM, because libIPSec_MB.so.1: cannot open shared object file"),
    ],
)
def test_without_it_libcrypto_serves(instead, told):
    script = f"""
import sys
class Broken:
    def find_spec(self, name, path, target=None):
        if name == "limen.engine.tls.gcm":
            raise ImportError("libIPSec_MB.so.1: cannot open shared object file")
if "{instead}" == "not built":
    sys.modules["limen.engine.tls.gcm"] = None
elif "{instead}" == "library gone":
    sys.meta_path.insert(0, Broken())
from limen.engine.tls import contexts
contexts.ClientContext()
print(contexts.library())
"""
    environment = {**os.environ, "LIMEN_IPSEC_MB": "0" if instead == "switched off" else "1"}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    version, comma, rest = ran.stdout.strip().partition(",")
    assert version.startswith("3.")
    assert comma + rest == told
