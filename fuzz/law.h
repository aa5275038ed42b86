/* What every target needs: a law that stops the fuzzer when it is broken, and copies that end where the data ends,
   so that the address sanitizer sees every byte too many. */
#ifndef LIMEN_LAW_H
#define LIMEN_LAW_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LAW(holds) do { if (!(holds)) __builtin_trap(); } while (0)

/* `size` bytes in a piece of memory of exactly that size; freed by free(). */
static inline char *exact_copy(const void *data, size_t size) {
    char *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

#endif
