# JA4 after FoxIO's description (github.com/FoxIO-LLC/ja4, technical_details): a readable part, then hashes of
# the sorted ciphers, and of the sorted extensions with the signature algorithms as they come. GREASE
# (RFC 8701) counts nowhere; names and protocols differ from visit to visit and are left out of the hashes.

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy, memset

from limen.engine.tls.hello cimport HELLO_MOST, Hello, read_message
from limen.engine.tls.libssl cimport SHA256


cdef enum:
    EXTENSION_SERVER_NAME = 0
    EXTENSION_SIGNATURES = 13
    EXTENSION_ALPN = 16
    EXTENSION_VERSIONS = 43
    HASH_SHOWN = 12           # characters of each hash


cdef const char* DIGITS = b"0123456789abcdef"


cdef inline uint16_t two(const char* p) noexcept nogil:
    return <uint16_t>(<uint16_t>(<uint8_t>p[0]) << 8 | <uint8_t>p[1])


cdef inline bint is_grease(uint16_t number) noexcept nogil:
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


cdef int compare(const void* a, const void* b) noexcept nogil:
    return <int>(<const uint16_t*>a)[0] - <int>(<const uint16_t*>b)[0]


cdef char* put_number(char* out, uint16_t number) noexcept nogil:
    cdef int i
    for i in range(4):
        out[i] = DIGITS[number >> (12 - 4 * i) & 15]
    return out + 4


cdef char* put_list(char* out, const uint16_t* numbers, uint32_t count) noexcept nogil:
    cdef uint32_t i
    for i in range(count):
        if i:
            out[0] = b","
            out += 1
        out = put_number(out, numbers[i])
    return out


cdef void put_hash(char* out, const char* text, size_t size) noexcept nogil:
    cdef uint8_t digest[32]
    cdef int i
    SHA256(<const unsigned char*>text, size, digest)
    for i in range(HASH_SHOWN):
        out[i] = DIGITS[digest[i >> 1] >> (4 if i & 1 == 0 else 0) & 15]


cdef void put_count(char* out, uint32_t count) noexcept nogil:
    count = min(count, <uint32_t>99)
    out[0] = <char>(48 + count // 10)
    out[1] = <char>(48 + count % 10)


cdef void put_version(char* out, uint16_t version) noexcept nogil:
    cdef const char* shown = b"00"
    if version == 0x0304:
        shown = b"13"
    elif version == 0x0303:
        shown = b"12"
    elif version == 0x0302:
        shown = b"11"
    elif version == 0x0301:
        shown = b"10"
    elif version == 0x0300:
        shown = b"s3"
    elif version == 0x0002:
        shown = b"s2"
    memcpy(out, shown, 2)


cdef inline bint is_alphanumeric(uint8_t c) noexcept nogil:
    return 48 <= c <= 57 or 97 <= (c | 32) <= 122


cdef void put_protocol(char* out, const Hello* hello) noexcept nogil:
    """First and last character of the first protocol, or of its hexadecimal form."""
    cdef const char* p = hello.message + hello.alpn
    cdef uint8_t first
    cdef uint8_t last
    out[0] = out[1] = b"0"
    if hello.alpn_length < 2:
        return
    first = <uint8_t>p[1]
    last = <uint8_t>p[<uint8_t>p[0]]
    if is_alphanumeric(first) and is_alphanumeric(last):
        out[0] = <char>first
        out[1] = <char>last
    else:
        out[0] = DIGITS[first >> 4]
        out[1] = DIGITS[last & 15]


cdef uint16_t highest_version(const Hello* hello, const char* p, uint32_t length) noexcept nogil:
    """Of supported_versions; the message's own if that names none."""
    cdef uint16_t best = 0
    cdef uint16_t version
    cdef uint32_t at = 1
    while at + 2 <= length and at < 1 + <uint32_t>(<uint8_t>p[0]):
        version = two(p + at)
        if not is_grease(version) and version > best:
            best = version
        at += 2
    return best if best else hello.version


cdef int write_ja4(const Hello* hello, char* out) noexcept nogil:
    cdef const char* p = hello.message
    cdef const char* signatures = NULL
    cdef uint32_t signatures_length = 0
    cdef uint32_t end = hello.extensions + hello.extensions_length
    cdef uint16_t version = hello.version
    cdef uint16_t number
    cdef uint32_t ciphers = 0
    cdef uint32_t extensions = 0
    cdef uint32_t listed = 0
    cdef uint32_t at
    cdef bint named = False
    # a number of two bytes becomes four digits and a comma
    cdef uint16_t* numbers = <uint16_t*>malloc(hello.size + 16)
    cdef char* text = <char*>malloc(3 * <size_t>hello.size + 16)
    cdef char* place
    if numbers == NULL or text == NULL:
        free(numbers)
        free(text)
        return -1
    memset(out, 48, JA4_SIZE)
    for at in range(hello.ciphers, hello.ciphers + hello.ciphers_length, 2):
        number = two(p + at)
        if not is_grease(number):
            numbers[ciphers] = number
            ciphers += 1
    if ciphers:
        qsort(numbers, ciphers, sizeof(uint16_t), compare)
        place = put_list(text, numbers, ciphers)
        put_hash(out + 11, text, <size_t>(place - text))
    at = hello.extensions
    while at < end:
        number = two(p + at)
        if number == EXTENSION_VERSIONS:
            version = highest_version(hello, p + at + 4, two(p + at + 2))
        elif number == EXTENSION_SIGNATURES:
            signatures = p + at + 6
            signatures_length = max(two(p + at + 2), <uint16_t>2) - 2
        elif number == EXTENSION_SERVER_NAME:
            named = True
        if not is_grease(number):
            extensions += 1
            if number != EXTENSION_SERVER_NAME and number != EXTENSION_ALPN:
                numbers[listed] = number
                listed += 1
        at += 4 + two(p + at + 2)
    if listed:
        qsort(numbers, listed, sizeof(uint16_t), compare)
        place = put_list(text, numbers, listed)
        if signatures_length >= 2:
            place[0] = b"_"
            place += 1
            listed = 0
            for at in range(0, signatures_length & ~<uint32_t>1, 2):
                number = two(signatures + at)
                if not is_grease(number):
                    numbers[listed] = number
                    listed += 1
            place = put_list(place, numbers, listed)
            if listed == 0:
                place -= 1
        put_hash(out + 24, text, <size_t>(place - text))
    free(numbers)
    free(text)
    out[0] = b"t"
    put_version(out + 1, version)
    out[3] = b"d" if named else b"i"
    put_count(out + 4, ciphers)
    put_count(out + 6, extensions)
    put_protocol(out + 8, hello)
    out[10] = out[23] = b"_"
    return 0


def ja4_of(bytes message not None):
    """The fingerprint of a client hello, given without its records."""
    cdef Hello hello
    cdef char out[JA4_SIZE]
    if len(message) > HELLO_MOST or read_message(message, <uint32_t>len(message), &hello) < 0:
        raise ValueError("no client hello")
    hello.message = message
    hello.size = <uint32_t>len(message)
    if write_ja4(&hello, out) < 0:
        raise MemoryError
    return out[:JA4_SIZE].decode("latin-1")
