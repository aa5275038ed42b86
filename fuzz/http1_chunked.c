/* libFuzzer target: the chunked decoder. Input: one byte that says how to split, then the data. Whatever the
   split, the content, what was consumed and the verdict are the same. */
#include "limen/engine/http1/chunked.c"
#include "law.h"

typedef struct __pyx_t_5limen_6engine_5http1_7chunked_ChunkDecoder Decoder;
#define chunk_begin __pyx_f_5limen_6engine_5http1_7chunked_chunk_begin
#define chunk_next __pyx_f_5limen_6engine_5http1_7chunked_chunk_next

enum { MORE = 0, DATA = 1, LAST = 2 };

typedef struct {
    int event;
    size_t consumed, content;
    uint64_t sum;             /* of the content, in order */
} Outcome;

static Outcome decode(const uint8_t *input, size_t size, size_t step) {
    Outcome outcome = {MORE, 0, 0, 14695981039346656037u};
    Decoder decoder;
    chunk_begin(&decoder);
    while (outcome.consumed < size && (outcome.event == MORE || outcome.event == DATA)) {
        size_t piece = size - outcome.consumed < step ? size - outcome.consumed : step;
        char *copy = exact_copy(input + outcome.consumed, piece);
        size_t at = 0;
        do {
            size_t consumed = 0, length = 0;
            const char *content = NULL;
            outcome.event = chunk_next(&decoder, copy + at, piece - at, &consumed, &content, &length);
            LAW(consumed <= piece - at && outcome.event > -20 && outcome.event <= LAST);
            if (outcome.event == DATA) {
                LAW(length > 0 && content >= copy + at && content + length == copy + at + consumed);
                for (size_t i = 0; i < length; i++)
                    outcome.sum = (outcome.sum ^ (uint8_t)content[i]) * 1099511628211u;
                outcome.content += length;
            } else {
                LAW(content == NULL && length == 0);
                LAW(outcome.event != MORE || consumed == piece - at);
            }
            at += consumed;
        } while (outcome.event == DATA);
        outcome.consumed += at;
        free(copy);
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    Outcome whole = decode(data + 1, size - 1, size);
    Outcome split = decode(data + 1, size - 1, (size_t)(data[0] & 31) + 1);
    LAW(whole.event == split.event && whole.consumed == split.consumed);
    LAW(whole.content == split.content && whole.sum == split.sum);
    return 0;
}
