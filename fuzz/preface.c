/* libFuzzer target: PROXY protocol headers, versions 1 and 2. A header is a header whatever follows it, a part of it
   is incomplete, and its bounds hold. */
#include "limen/engine/preface.c"
#include "law.h"

typedef struct __pyx_t_5limen_6engine_5types_Address Address;
#define parse_preface __pyx_f_5limen_6engine_7preface_parse_preface
enum { MOST = 536, TEXT_MOST = 107 };

int preface_parse_ip(const char *text, size_t size, Address *out);

/* What importing the module would set. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    __pyx_v_5limen_6engine_7preface_SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
    __pyx_f_5limen_6engine_9addresses_parse_ip = preface_parse_ip;
    return 0;
}

static int judge(const uint8_t *data, size_t size, Address *source) {
    char *copy = exact_copy(data, size);
    memset(source, 0xa5, sizeof *source);
    const int result = parse_preface(copy, size, source);
    free(copy);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Address whole, other;
    const int result = judge(data, size, &whole);
    LAW(result >= -1 && result <= MOST && result <= (int)size);
    if (result == 0) {
        LAW(size < MOST);
        return 0;
    }
    if (result < 0) {
        /* less of it says nothing yet, or the same */
        const int part = judge(data, size * data[size - 1] / 256, &other);
        LAW(part == 0 || part == -1);
        return 0;
    }
    LAW(data[0] == 'P' ? result <= TEXT_MOST && data[result - 1] == '\n' : data[0] == '\r');
    LAW(whole.family == 0 || whole.family == 4 || whole.family == 6);
    if (whole.family == 0)
        LAW(whole.port == 0);
    for (int cut = 0; cut < result; cut++)
        LAW(judge(data, (size_t)cut, &other) == 0);
    LAW(judge(data, (size_t)result, &other) == result);
    LAW(!memcmp(&whole, &other, sizeof whole));
    return 0;
}
