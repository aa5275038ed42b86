# Chunked transfer coding (RFC 9112, 7.1): a decoder that copies nothing.

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum ChunkEvent:
    CHUNK_MORE = 0        # everything was consumed
    CHUNK_DATA = 1        # *data, *length: content
    CHUNK_LAST = 2        # the last chunk's line was consumed: the trailer section follows


cdef struct ChunkDecoder:
    uint64_t remaining    # of the current chunk
    uint32_t extension    # bytes of chunk extensions so far, bounded
    uint8_t state
    uint8_t digits


cdef void chunk_begin(ChunkDecoder* decoder) noexcept nogil

# Take the next event from `data`. *consumed gets how many bytes were used (with CHUNK_DATA: up to
# the end of that content). Returns a ChunkEvent or -FAULT_CHUNK / -FAULT_LINE_ENDING.
cdef int chunk_next(ChunkDecoder* decoder, const char* data, size_t size, size_t* consumed,
                    const char** content, size_t* length) noexcept nogil
