/* libFuzzer target: trailer sections. Input: two bytes of choices (http1_head.h), then the data. */
#include "limen/engine/http1/parse.c"
#include "http1_head.h"

static void parse(const char *data, size_t size, const HeadLimits *limits, int choice, Verdict *verdict) {
    (void)choice;
    verdict->result = parse_trailers(data, size, limits, verdict->fields, &verdict->count);
    LAW(verdict->result <= 0 || verdict->count <= limits->trailers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_laws(parse, data, size);
    return 0;
}
