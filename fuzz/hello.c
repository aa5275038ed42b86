/* libFuzzer target: TLS client hellos. Input: one byte that says into which records a hello is cut, then the bytes.
   Every offset lies inside the message; a part is incomplete or has the verdict of the whole; records do not count. */
#include "limen/engine/tls/hello.c"
#include "law.h"

typedef struct __pyx_t_5limen_6engine_3tls_5hello_Hello Hello;
#define read_hello __pyx_f_5limen_6engine_3tls_5hello_read_hello
enum { HELLO_MOST = 65536, RECORD_HEAD = 5 };

static int judge(const uint8_t *data, size_t size, Hello *hello, char **message) {
    static char scratch[HELLO_MOST];
    char *copy = exact_copy(data, size);
    memset(hello, 0xa5, sizeof *hello);
    const int result = read_hello(copy, size, scratch, hello);
    LAW(result >= -1 && result <= 1);
    if (message)
        *message = result == 1 ? exact_copy(hello->message, hello->size) : NULL;
    free(copy);
    return result;
}

static void check_inside(const Hello *hello, const char *message) {
    LAW(hello->size >= 4 && hello->size <= HELLO_MOST && message[0] == 1);
    LAW((size_t)hello->ciphers + hello->ciphers_length <= hello->size && hello->ciphers_length % 2 == 0);
    LAW((size_t)hello->extensions + hello->extensions_length <= hello->size);
    LAW(hello->name_length <= 255 && (size_t)hello->name + hello->name_length <= hello->size);
    for (uint32_t i = 0; i < hello->name_length; i++)
        LAW(message[hello->name + i] > 32 && message[hello->name + i] < 127);
    LAW((size_t)hello->alpn + hello->alpn_length <= hello->size);
    uint32_t at = hello->alpn;
    while (at < hello->alpn + hello->alpn_length) {
        LAW(message[at] != 0);
        at += 1 + (uint8_t)message[at];
    }
    LAW(at == hello->alpn + hello->alpn_length);
}

/* The same message in records of `step` bytes says the same. */
static void check_records(const Hello *hello, const char *message, size_t step) {
    uint8_t *cut = malloc(hello->size + RECORD_HEAD * (hello->size / step + 1));
    size_t size = 0;
    Hello again;
    for (size_t at = 0; at < hello->size; at += step) {
        const size_t length = hello->size - at < step ? hello->size - at : step;
        const uint8_t head[RECORD_HEAD] = {22, 3, 1, (uint8_t)(length >> 8), (uint8_t)length};
        memcpy(cut + size, head, RECORD_HEAD);
        memcpy(cut + size + RECORD_HEAD, message + at, length);
        size += RECORD_HEAD + length;
    }
    LAW(judge(cut, size, &again, NULL) == 1);
    LAW(again.size == hello->size && again.name == hello->name && again.name_length == hello->name_length);
    LAW(again.alpn == hello->alpn && again.alpn_length == hello->alpn_length);
    LAW(again.ciphers == hello->ciphers && again.extensions == hello->extensions && again.version == hello->version);
    free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    Hello hello, other;
    char *message = NULL;
    const int result = judge(data + 1, size - 1, &hello, &message);
    if (result == 1) {
        check_inside(&hello, message);
        check_records(&hello, message, (size_t)data[0] + 1);
        free(message);
    }
    /* one part in each run: all of them would make large inputs slow */
    const size_t cut = (size - 1) * data[0] / 256;
    const int part = judge(data + 1, cut, &other, NULL);
    LAW(part == 0 || part == result);
    return 0;
}
