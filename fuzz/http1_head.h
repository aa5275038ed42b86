/* What the fuzz targets of the HTTP/1.1 heads share: names for the generated types, limits chosen by the first
   byte of an input, and the laws that every verdict must obey. Included after the generated parse.c, whose
   functions are static, noexcept and nogil: they need no interpreter and no module to be imported. */

#include "law.h"

typedef struct __pyx_t_5limen_6engine_5types_Head Head;
typedef struct __pyx_t_5limen_6engine_5types_Field Field;
typedef struct __pyx_t_5limen_6engine_5types_HeadLimits HeadLimits;
#define parse_request __pyx_f_5limen_6engine_5http1_5parse_parse_request
#define parse_response __pyx_f_5limen_6engine_5http1_5parse_parse_response
#define parse_trailers __pyx_f_5limen_6engine_5http1_5parse_parse_trailers
#define head_ready __pyx_f_5limen_6engine_5http1_5parse_head_ready

static HeadLimits limits_of(uint8_t choice) {
    HeadLimits limits = {8192, 32768, 100, 16, 0};
    limits.allow_underscore = choice & 1;
    if (choice & 2) {
        limits.line = 24 + (choice >> 4);
        limits.fields = 40 + (choice >> 3);
        limits.count = 3;
        limits.trailers = 2;
    } else if (choice & 4) {
        limits.line = limits.fields = 0xffffffffu;
        limits.count = limits.trailers = 0xffff;
    }
    return limits;
}

/* One verdict: the result, and what a success left. */
typedef struct {
    int result;
    Head head;
    Field *fields;    /* owned; as many as the limits promise and the codec may use */
    unsigned int count;
} Verdict;

typedef void (*Parse)(const char *data, size_t size, const HeadLimits *limits, int choice, Verdict *verdict);

static Verdict judge(Parse parse, const char *data, size_t size, const HeadLimits *limits, int choice,
                     unsigned int room) {
    Verdict verdict;
    char *copy = exact_copy(data, size);
    memset(&verdict, 0, sizeof verdict);
    verdict.fields = calloc(room ? room : 1, sizeof(Field));
    parse(size ? copy : copy + 1, size, limits, choice, &verdict);
    free(copy);
    return verdict;
}

static void check_fields(const char *data, const Verdict *verdict, unsigned int room) {
    LAW(verdict->count <= room);
    for (unsigned int i = 0; i < verdict->count; i++) {
        const Field *field = &verdict->fields[i];
        LAW(field->name_length > 0 && field->name + field->name_length < field->value);
        LAW((size_t)field->value + field->value_length + 4 <= (size_t)verdict->result);
        LAW(data[field->name + field->name_length] == ':');
        LAW(field->name == 0 || data[field->name - 1] == '\n');
        for (unsigned int k = 0; k < field->value_length; k++) {
            uint8_t c = (uint8_t)data[field->value + k];
            LAW(c == 9 || (c >= 0x20 && c != 0x7f));
        }
        if (field->value_length) {
            char first = data[field->value], last = data[field->value + field->value_length - 1];
            LAW(first != ' ' && first != '\t' && last != ' ' && last != '\t');
        }
        if (field->flags & 1)
            LAW(field->value == field->name + field->name_length + 2
                && !memcmp(data + field->value + field->value_length, "\r\n", 2));
    }
}

static void check_laws(Parse parse, const uint8_t *input, size_t input_size) {
    if (input_size < 2)
        return;
    const int choice = input[0] | input[1] << 8;
    const HeadLimits limits = limits_of(input[0]);
    const char *data = (const char *)input + 2;
    const size_t size = input_size - 2;
    unsigned int room = limits.count > limits.trailers ? limits.count : limits.trailers;
    if (room > 256)
        room = 256;
    Verdict whole = judge(parse, data, size, &limits, choice, room);
    LAW(whole.result > -20);
    if (whole.result > 0) {
        LAW((size_t)whole.result <= size && !memcmp(data + whole.result - 2, "\r\n", 2));
        check_fields(data, &whole, room);
        /* Nothing behind the head counts, and less than the head is incomplete. */
        Verdict exact = judge(parse, data, (size_t)whole.result, &limits, choice, room);
        LAW(exact.result == whole.result && exact.count == whole.count);
        LAW(!memcmp(&exact.head, &whole.head, sizeof(Head)));
        LAW(!memcmp(exact.fields, whole.fields, whole.count * sizeof(Field)));
        free(exact.fields);
        Verdict less = judge(parse, data, (size_t)whole.result - 1, &limits, choice, room);
        LAW(less.result == 0);
        free(less.fields);
        size_t scanned = 0, step = (size_t)input[1] + 1, seen = 0;
        int ready = 0;
        while (!ready && seen < (size_t)whole.result) {
            seen = seen + step < (size_t)whole.result ? seen + step : (size_t)whole.result;
            ready = head_ready(data, seen, &scanned);
            LAW(scanned <= seen);
        }
        LAW(ready);
    }
    /* A part says nothing, or what the whole says. */
    size_t cut = size ? (input[1] * 257u + input[0]) % (size + 1) : 0;
    Verdict part = judge(parse, data, cut, &limits, choice, room);
    LAW(part.result == 0 || part.result == whole.result);
    free(part.fields);
    free(whole.fields);
}
