# Chunked transfer coding (RFC 9112, 7.1). The decoder holds three numbers between calls and takes any split.
# Stricter than the RFC on purpose: no white space around sizes and extensions (the RFC tolerates "bad"
# white space there), at most 16 digits, extensions bounded over the whole content, no bare line ends.
#
#     SIZE -> [EXTENSION states] -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE ...
#                                      `-> (size 0) DONE: the trailer section follows
#     any  -> BROKEN on a fault, for good

from libc.stdint cimport uint8_t

from limen.engine.bytes cimport CLASS, CLASS_TOKEN, CLASS_VALUE, HEX
from limen.engine.types cimport FAULT_CHUNK, FAULT_LINE_ENDING


cdef enum:
    SIZE_DIGITS = 16
    EXTENSION_LIMIT = 4096    # bytes over the whole content, nobody uses them (h11 16 KiB, Go 16 KiB + 16 per byte)


cdef enum State:
    STATE_SIZE                # before or among the digits
    STATE_SIZE_LF             # CR of the size line was seen
    STATE_NAME                # ";" was seen: a token must follow
    STATE_NAME_REST
    STATE_VALUE               # "=" was seen: a token or quoted string must follow
    STATE_VALUE_REST
    STATE_QUOTED
    STATE_QUOTED_PAIR         # backslash was seen
    STATE_QUOTED_END          # closing quote was seen
    STATE_DATA
    STATE_DATA_CR
    STATE_DATA_LF
    STATE_DONE
    STATE_BROKEN


cdef inline int _extension(int state, uint8_t c) noexcept nogil:
    """The state after byte `c` of an extension: *( ";" token [ "=" ( token / quoted-string ) ] ), or -1."""
    if state == STATE_NAME:
        return STATE_NAME_REST if CLASS[c] & CLASS_TOKEN else -1
    if state == STATE_VALUE:
        if c == c'"':
            return STATE_QUOTED
        return STATE_VALUE_REST if CLASS[c] & CLASS_TOKEN else -1
    if state == STATE_QUOTED:
        if c == c'"':
            return STATE_QUOTED_END
        if c == c'\\':
            return STATE_QUOTED_PAIR
        return STATE_QUOTED if CLASS[c] & CLASS_VALUE else -1
    if state == STATE_QUOTED_PAIR:
        return STATE_QUOTED if CLASS[c] & CLASS_VALUE else -1
    # NAME_REST, VALUE_REST, QUOTED_END
    if c == c';':
        return STATE_NAME
    if c == c'\r':
        return STATE_SIZE_LF
    if state == STATE_QUOTED_END:
        return -1
    if c == c'=' and state == STATE_NAME_REST:
        return STATE_VALUE
    return state if CLASS[c] & CLASS_TOKEN else -1


cdef inline int _line_state(ChunkDecoder* decoder, uint8_t c) noexcept nogil:
    """The state after byte `c` of a size line, or -1."""
    cdef int state = decoder.state
    if state == STATE_SIZE:
        if HEX[c] != 0xff:
            if decoder.digits == SIZE_DIGITS or decoder.remaining >> 59:
                return -1                 # the next digit would reach 2^63
            decoder.remaining = decoder.remaining << 4 | HEX[c]
            decoder.digits += 1
            return STATE_SIZE
        if decoder.digits == 0:
            return -1
        if c == c'\r':
            return STATE_SIZE_LF
        if c != c';':
            return -1
        state = STATE_NAME
    else:
        state = _extension(state, c)
        if state == STATE_SIZE_LF:
            return state
    decoder.extension += 1
    return state if decoder.extension <= EXTENSION_LIMIT else -1


cdef void chunk_begin(ChunkDecoder* decoder) noexcept nogil:
    decoder.remaining = 0
    decoder.extension = 0
    decoder.state = STATE_SIZE
    decoder.digits = 0


cdef inline int _broken(ChunkDecoder* decoder, int fault) noexcept nogil:
    decoder.state = STATE_BROKEN
    return -fault


cdef int chunk_next(ChunkDecoder* decoder, const char* data, size_t size, size_t* consumed,
                    const char** content, size_t* length) noexcept nogil:
    cdef size_t i = 0
    cdef uint8_t c
    cdef int state
    content[0] = NULL
    length[0] = 0
    while i < size:
        state = decoder.state
        if state == STATE_DATA:
            content[0] = data + i
            length[0] = size - i if size - i < decoder.remaining else <size_t>decoder.remaining
            decoder.remaining -= length[0]
            if decoder.remaining == 0:
                decoder.state = STATE_DATA_CR
            consumed[0] = i + length[0]
            return CHUNK_DATA
        if state >= STATE_DONE:
            break
        c = <uint8_t>data[i]
        i += 1
        if state == STATE_SIZE_LF or state == STATE_DATA_LF:
            if c != c'\n':
                consumed[0] = i
                return _broken(decoder, FAULT_LINE_ENDING)
            if state == STATE_DATA_LF:
                decoder.state = STATE_SIZE
                decoder.digits = 0
            elif decoder.remaining:
                decoder.state = STATE_DATA
            else:
                decoder.state = STATE_DONE
        elif state == STATE_DATA_CR:
            if c != c'\r':
                consumed[0] = i
                return _broken(decoder, FAULT_LINE_ENDING if c == c'\n' else FAULT_CHUNK)
            decoder.state = STATE_DATA_LF
        else:
            state = _line_state(decoder, c)
            if state < 0:
                consumed[0] = i
                return _broken(decoder, FAULT_LINE_ENDING if c == c'\n' else FAULT_CHUNK)
            decoder.state = <uint8_t>state
    consumed[0] = i
    if decoder.state == STATE_DONE:
        return CHUNK_LAST
    if decoder.state == STATE_BROKEN:
        return -FAULT_CHUNK
    return CHUNK_MORE
