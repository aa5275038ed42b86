/* The addresses that the preface target reads: a unit of its own, as two generated modules cannot share one. */
#include "limen/engine/addresses.c"

int preface_parse_ip(const char *text, size_t size, struct __pyx_t_5limen_6engine_5types_Address *out) {
    return __pyx_f_5limen_6engine_9addresses_parse_ip(text, size, out);
}
