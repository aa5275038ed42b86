# SipHash-2-4 with 128 bits (Aumasson, Bernstein, 2012): what a client has shown becomes a number that cannot be chosen
# or turned back without the key. Inline; tests/unit/engine/test_identity.py compares it with the authors' vectors.

from libc.stdint cimport uint64_t


cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>
    #define LIMEN_ROTL(x, b) (uint64_t)(((x) << (b)) | ((x) >> (64 - (b))))
    #define LIMEN_ROUND(a, b, c, d) do { \\
        a += b; b = LIMEN_ROTL(b, 13); b ^= a; a = LIMEN_ROTL(a, 32); \\
        c += d; d = LIMEN_ROTL(d, 16); d ^= c; \\
        a += d; d = LIMEN_ROTL(d, 21); d ^= a; \\
        c += b; b = LIMEN_ROTL(b, 17); b ^= c; c = LIMEN_ROTL(c, 32); \\
    } while (0)
    /* Of `count` words, little-endian, and the bytes behind them. */
    static inline void limen_seal(const uint64_t *key, const uint64_t *words, size_t count, const char *data,
                                  size_t size, uint64_t *out) {
        uint64_t a = 0x736f6d6570736575ULL ^ key[0], b = 0x646f72616e646f6dULL ^ key[1] ^ 0xee;
        uint64_t c = 0x6c7967656e657261ULL ^ key[0], d = 0x7465646279746573ULL ^ key[1];
        uint64_t word, last = (uint64_t)(8 * count + size) << 56;
        size_t i, rest = size & 7;
        for (i = 0; i < count + size / 8; i++) {
            if (i < count)
                word = words[i];
            else
                memcpy(&word, data + 8 * (i - count), 8);
            d ^= word;
            LIMEN_ROUND(a, b, c, d);
            LIMEN_ROUND(a, b, c, d);
            a ^= word;
        }
        word = 0;
        if (rest)
            memcpy(&word, data + (size - rest), rest);
        last |= word;
        d ^= last;
        LIMEN_ROUND(a, b, c, d);
        LIMEN_ROUND(a, b, c, d);
        a ^= last;
        c ^= 0xee;
        for (i = 0; i < 4; i++)
            LIMEN_ROUND(a, b, c, d);
        out[0] = a ^ b ^ c ^ d;
        b ^= 0xdd;
        for (i = 0; i < 4; i++)
            LIMEN_ROUND(a, b, c, d);
        out[1] = a ^ b ^ c ^ d;
    }
    """
    void limen_seal(const uint64_t* key, const uint64_t* words, size_t count, const char* data, size_t size,
                    uint64_t* out) noexcept nogil


cdef struct Seal:
    uint64_t low
    uint64_t high
