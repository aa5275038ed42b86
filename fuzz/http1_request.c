/* libFuzzer target: request heads. Input: two bytes of choices (http1_head.h), then the data. */
#include "limen/engine/http1/parse.c"
#include "http1_head.h"

static void inside(const Head *head, uint32_t at, uint32_t length) {
    LAW((uint64_t)at + length < head->size);
}

static void parse(const char *data, size_t size, const HeadLimits *limits, int choice, Verdict *verdict) {
    const Head *head = &verdict->head;
    (void)choice;
    verdict->result = parse_request(data, size, limits, &verdict->head, verdict->fields);
    if (verdict->result <= 0)
        return;
    verdict->count = head->count;
    LAW(head->size == (uint32_t)verdict->result && head->count <= limits->count);
    inside(head, 0, head->method_length);
    inside(head, head->target, head->target_length);
    inside(head, head->authority, head->authority_length);
    inside(head, head->path, head->path_length);
    inside(head, head->query, head->query_length);
    inside(head, head->host, head->host_length);
    LAW(head->method_length && data[head->method_length] == ' ' && head->target == head->method_length + 1);
    LAW(head->target_length && data[head->target + head->target_length] == ' ');
    LAW(head->framing <= 2 && head->minor <= 1 && head->status == 0);
    LAW(!head->minor || head->host_length);
    LAW(head->framing != 2 || head->minor == 1);
    LAW(head->length >> 63 == 0 && (head->framing == 1 || head->length == 0));
    for (uint32_t i = 0; i < head->target_length; i++) {
        uint8_t c = (uint8_t)data[head->target + i];
        LAW(c > 0x20 && c < 0x7f && c != '#' && c != '\\' && c != '<' && c != '>');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_laws(parse, data, size);
    return 0;
}
