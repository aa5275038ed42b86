/* libFuzzer target: host[:port] of a request, and addresses. Input: one byte that chooses the default port, then the
   text. What was accepted has one canonical form, which means the same when it is read again. */
#include "limen/engine/addresses.c"
#include "law.h"

typedef struct __pyx_t_5limen_6engine_9addresses_TargetHost TargetHost;
#define parse_authority __pyx_f_5limen_6engine_9addresses_parse_authority
#define parse_ip __pyx_f_5limen_6engine_9addresses_parse_ip
#define format_ip __pyx_f_5limen_6engine_9addresses_format_ip
#define fill_host_bytes __pyx_f_5limen_6engine_9addresses_fill_host_bytes

enum { NAME = 0, IPV4 = 4, IPV6 = 6 };

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    fill_host_bytes();
    return 0;
}

static void check_again(const TargetHost *host, int port) {
    char text[300];
    size_t size = 0;
    TargetHost again;
    if (host->kind == IPV6)
        text[size++] = '[';
    memcpy(text + size, host->name, host->name_length);
    size += host->name_length;
    if (host->kind == IPV6)
        text[size++] = ']';
    LAW(parse_authority(text, size, port, &again) == 0);
    LAW(again.kind == host->kind && again.name_length == host->name_length);
    LAW(!memcmp(again.name, host->name, host->name_length));
    LAW(!memcmp(again.address.ip, host->address.ip, 16) && again.address.family == host->address.family);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    const int port = data[0] & 1 ? 443 : 0;
    char *text = exact_copy(data + 1, size - 1);
    TargetHost host;
    struct __pyx_t_5limen_6engine_5types_Address address, again;
    memset(&host, 0, sizeof host);
    if (parse_authority(text, size - 1, port, &host) == 0) {
        LAW(host.name_length > 0 && host.name_length <= 253);
        LAW(host.has_port ? host.port > 0 : host.port == port);
        LAW(host.address.port == host.port);
        LAW(host.kind == NAME ? host.address.family == 0 : host.address.family == host.kind);
        for (unsigned int i = 0; i < host.name_length; i++) {
            const char c = host.name[i];
            LAW(c > 32 && c < 127 && !(c >= 'A' && c <= 'Z') && !strchr("/\\@?#%[],", c));
            LAW(c != ':' || host.kind == IPV6);
        }
        check_again(&host, port);
    }
    if (parse_ip(text, size - 1, &address) == 0) {
        char canonical[46];
        const int length = format_ip(&address, canonical);
        LAW(length > 0 && length <= 46);
        LAW(parse_ip(canonical, (size_t)length, &again) == 0);
        LAW(!memcmp(again.ip, address.ip, 16) && again.family == address.family && again.port == 0);
    }
    free(text);
    return 0;
}
