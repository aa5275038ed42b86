/* libFuzzer target: response heads. Input: two bytes of choices (http1_head.h; the second one also chooses the
   method of the request), then the data. */
#include "limen/engine/http1/parse.c"
#include "http1_head.h"

static void parse(const char *data, size_t size, const HeadLimits *limits, int choice, Verdict *verdict) {
    const Head *head = &verdict->head;
    const int method = (choice >> 8) % 10;
    verdict->result = parse_response(data, size, limits, method, &verdict->head, verdict->fields);
    if (verdict->result <= 0)
        return;
    verdict->count = head->count;
    LAW(head->size == (uint32_t)verdict->result && head->count <= limits->count);
    LAW((uint64_t)head->reason + head->reason_length < head->size);
    LAW(head->status >= 100 && head->status <= 599 && head->framing <= 3 && head->minor <= 1);
    LAW(head->length >> 63 == 0 && (head->framing == 1 || head->length == 0));
    if (head->status < 200 || head->status == 204 || head->status == 304 || method == 2
        || (method == 6 && head->status < 300))
        LAW(head->framing == 0);
    else
        LAW(head->framing != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_laws(parse, data, size);
    return 0;
}
