/* libFuzzer target: the form of a path that routes are matched by. Input: the size of the pattern, the pattern, the
   path. A normal path is normal when it is read again, has no dot segments and never gets longer. */
#include "limen/engine/paths.c"
#include "law.h"

#define normalize_path __pyx_f_5limen_6engine_5paths_normalize_path
#define glob_match __pyx_f_5limen_6engine_5paths_glob_match
#define host_glob_match __pyx_f_5limen_6engine_5paths_host_glob_match

static void check_segments(const char *path, size_t size) {
    for (size_t at = 0; at < size; at++) {
        if (path[at] != '/')
            continue;
        size_t end = at + 1;
        while (end < size && path[end] != '/')
            end++;
        const size_t length = end - at - 1;
        LAW(!(length == 1 && path[at + 1] == '.'));
        LAW(!(length == 2 && path[at + 1] == '.' && path[at + 2] == '.'));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    const size_t pattern_size = (size_t)data[0] < size - 1 ? (size_t)data[0] : size - 1;
    const size_t path_size = size - 1 - pattern_size;
    char *pattern = exact_copy(data + 1, pattern_size);
    char *path = exact_copy(data + 1 + pattern_size, path_size);
    char *out = malloc(path_size ? path_size : 1), *again = malloc(path_size ? path_size : 1);
    const int length = normalize_path(path, path_size, out, path_size);
    LAW(length >= -1 && length <= (int)path_size);
    if (length > 0) {
        LAW(out[0] == '/');
        check_segments(out, (size_t)length);
        LAW(normalize_path(out, (size_t)length, again, path_size) == 0);
    } else if (length == 0 && path_size && path[0] == '/') {
        check_segments(path, path_size);
    }
    if (path_size < 512) {
        LAW(glob_match("**", 2, path, path_size));
        glob_match(pattern, pattern_size, path, path_size);
        host_glob_match(pattern, pattern_size, path, path_size);
    }
    free(pattern);
    free(path);
    free(out);
    free(again);
    return 0;
}
