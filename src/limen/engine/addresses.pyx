"""Host names and IP addresses: one canonical form, which address is special, sets of prefixes.

What a client wrote is parsed once into a TargetHost; rules, resolver and dialler share that object,
so that no second spelling of a host can pass a rule that the first would not.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memset

from limen.engine.lists cimport AddressList, ListView, list_contains
from limen.engine.paths cimport hex_digit
from limen.engine.types cimport FAULT_TARGET, Address

cimport cython


cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL


# The byte in lower case for what may stand in a label, and for "."; 0 for everything else.
cdef uint8_t HOST_BYTES[256]


cdef void fill_host_bytes() noexcept:
    cdef int c
    memset(HOST_BYTES, 0, 256)
    for c in b"abcdefghijklmnopqrstuvwxyz0123456789-_.":
        HOST_BYTES[c] = <uint8_t>c
    for c in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        HOST_BYTES[c] = <uint8_t>(c + 32)


fill_host_bytes()


# --- IPv4

cdef inline void set_ipv4(Address* out, uint32_t value) noexcept nogil:
    store_be8(out.ip, 0)
    store_be8(out.ip + 8, (<uint64_t>0xFFFF << 32) | value)
    out.family = 4
    out.port = 0


cdef inline bint is_mapped(const uint8_t* ip) noexcept nogil:
    return load_be8(ip) == 0 and (load_be8(ip + 8) >> 32) == 0xFFFF


cdef inline bint parse_quad(const char* p, size_t n, uint32_t* value) noexcept nogil:
    """A strict dotted quad: four decimal numbers up to 255 without leading zeros."""
    cdef size_t i = 0
    cdef uint32_t total = 0, part
    cdef unsigned int digit
    cdef int parts = 0
    if n > 15:
        return False
    while True:
        if i == n:
            return False
        part = <unsigned int><uint8_t>p[i] - 48
        if part > 9:
            return False
        i += 1
        while i < n:
            digit = <unsigned int><uint8_t>p[i] - 48
            if digit > 9:
                break
            if part == 0:
                return False
            part = part * 10 + digit
            if part > 255:
                return False
            i += 1
        total = (total << 8) | part
        parts += 1
        if parts == 4:
            value[0] = total
            return i == n
        if i == n or p[i] != c".":
            return False
        i += 1


cdef int parse_number(const char* p, size_t n, uint64_t* value) noexcept nogil:
    """One part of an inet_aton address: decimal, 0 octal, 0x hexadecimal. -1 unless it is under 2**32."""
    cdef uint64_t total = 0
    cdef unsigned int base = 10
    cdef int digit
    cdef size_t i = 0
    if n == 0:
        return -1
    if p[0] == c"0" and n > 1:
        base = 8
        i = 1
        if p[1] | 32 == c"x":
            base = 16
            i = 2
            if n == 2:
                return -1
    while i < n:
        digit = hex_digit(<uint8_t>p[i])
        if digit < 0 or <unsigned int>digit >= base:
            return -1
        total = total * base + <unsigned int>digit
        if total > 0xFFFFFFFFU:
            return -1
        i += 1
    value[0] = total
    return 0


cdef int parse_legacy(const char* p, size_t n, uint32_t* out) noexcept nogil:
    """inet_aton: one to four parts, the last of which fills the bytes that are left."""
    cdef uint64_t value = 0, total = 0
    cdef size_t start = 0, i
    cdef int parts = 0
    for i in range(n + 1):
        if i < n and p[i] != c".":
            continue
        if parts == 4 or parse_number(p + start, i - start, &value) != 0:
            return -1
        parts += 1
        if i < n:
            if value > 255:
                return -1
            total |= value << (32 - 8 * parts)
        start = i + 1
    # `value` is the last part: it may fill what the parts before it left.
    if value >> (8 * (5 - parts)):
        return -1
    out[0] = <uint32_t>(total | value)
    return 0


cdef inline bint is_number(const char* p, size_t n) noexcept nogil:
    """Whether a label makes its host "end in a number" (WHATWG URL): all digits, or 0x and hexadecimal."""
    cdef size_t i
    if n >= 2 and p[0] == c"0" and p[1] == c"x":
        for i in range(2, n):
            if hex_digit(<uint8_t>p[i]) < 0:
                return False
        return True
    for i in range(n):
        if not (48 <= <uint8_t>p[i] <= 57):
            return False
    return True


# --- IPv6

cdef int parse_ipv6(const char* p, size_t n, uint8_t* ip) noexcept nogil:
    """RFC 4291, 2.2, all three forms; no zone. 0, or -1."""
    cdef uint16_t groups[8]
    cdef int count = 0, gap = -1, digit, i, tail
    cdef unsigned int value, digits
    cdef uint32_t quad = 0
    cdef size_t at = 0, start
    if n < 2 or n > 45:
        return -1
    if p[0] == c":":
        if p[1] != c":":
            return -1
        gap = 0
        at = 2
    while at < n:
        if count == 8:
            return -1
        start = at
        value = 0
        digits = 0
        while at < n:
            digit = hex_digit(<uint8_t>p[at])
            if digit < 0:
                break
            digits += 1
            if digits > 4:
                return -1
            value = value * 16 + <unsigned int>digit
            at += 1
        if at < n and p[at] == c".":
            if count > 6 or not parse_quad(p + start, n - start, &quad):
                return -1
            groups[count] = <uint16_t>(quad >> 16)
            groups[count + 1] = <uint16_t>(quad & 0xFFFF)
            count += 2
            at = n
            break
        if digits == 0:
            return -1
        groups[count] = <uint16_t>value
        count += 1
        if at == n:
            break
        if p[at] != c":":
            return -1
        at += 1
        if at == n:
            return -1                 # one ":" at the end
        if p[at] == c":":
            if gap >= 0:
                return -1
            gap = count
            at += 1
    if gap < 0:
        if count != 8:
            return -1
        gap = 8
    elif count == 8:
        return -1                     # "::" stands for one group at least
    memset(ip, 0, 16)
    tail = count - gap
    for i in range(gap if gap < count else count):
        ip[2 * i] = <uint8_t>(groups[i] >> 8)
        ip[2 * i + 1] = <uint8_t>(groups[i] & 0xFF)
    for i in range(tail):
        ip[2 * (8 - tail + i)] = <uint8_t>(groups[gap + i] >> 8)
        ip[2 * (8 - tail + i) + 1] = <uint8_t>(groups[gap + i] & 0xFF)
    return 0


cdef int parse_ip(const char* p, size_t n, Address* out) noexcept nogil:
    cdef uint32_t value = 0
    if parse_quad(p, n, &value):
        set_ipv4(out, value)
        return 0
    if parse_ipv6(p, n, out.ip) != 0:
        return -1
    out.family = 4 if is_mapped(out.ip) else 6
    out.port = 0
    return 0


cdef inline int format_number(unsigned int value, char* out) noexcept nogil:
    cdef int n = 0
    if value >= 100:
        out[n] = <char>(48 + value // 100)
        n += 1
    if value >= 10:
        out[n] = <char>(48 + value // 10 % 10)
        n += 1
    out[n] = <char>(48 + value % 10)
    return n + 1


cdef int format_quad(const uint8_t* quad, char* out) noexcept nogil:
    cdef int i, n = 0
    for i in range(4):
        if i:
            out[n] = c"."
            n += 1
        n += format_number(quad[i], out + n)
    return n


cdef str client_text(const Address* client):
    cdef char out[64]
    cdef int size = format_ip(client, out)
    return out[:size].decode("ascii") if size else "unix"


cdef int format_ip(const Address* address, char* out) noexcept nogil:
    cdef const char* digits = b"0123456789abcdef"
    cdef unsigned int groups[8]
    cdef int i, n = 0, run = 0, best = -1, best_length = 1, shift
    cdef bint started
    if address.family == 4:
        return format_quad(address.ip + 12, out)
    if address.family != 6:
        return 0
    for i in range(8):
        groups[i] = (<unsigned int>address.ip[2 * i] << 8) | address.ip[2 * i + 1]
        run = run + 1 if groups[i] == 0 else 0
        if run > best_length:         # the first of the longest runs; a single zero stays (RFC 5952, 4.2)
            best_length = run
            best = i - run + 1
    i = 0
    while i < 8:
        if i == best:
            out[n] = c":"
            out[n + 1] = c":"
            n += 2
            i += best_length
            continue
        if i and i != best + best_length or i and best < 0:
            out[n] = c":"
            n += 1
        started = False
        for shift in range(12, -4, -4):
            if started or (groups[i] >> shift) & 15 or shift == 0:
                out[n] = digits[(groups[i] >> shift) & 15]
                n += 1
                started = True
        i += 1
    return n


# --- host[:port]

cdef inline int parse_port(const char* p, size_t n, int default_port, TargetHost* out) noexcept nogil:
    """What follows the host: nothing, ":" or ":port"."""
    cdef unsigned int value = 0, digit
    cdef size_t i
    out.has_port = 0
    out.port = <uint16_t>default_port
    if n <= 1:
        return 0 if n == 0 or p[0] == c":" else -FAULT_TARGET
    if p[0] != c":" or n > 6:
        return -FAULT_TARGET
    for i in range(1, n):
        digit = <unsigned int><uint8_t>p[i] - 48
        if digit > 9:
            return -FAULT_TARGET
        value = value * 10 + digit
    if value == 0 or value > 65535:
        return -FAULT_TARGET
    out.has_port = 1
    out.port = <uint16_t>value
    return 0


cdef int parse_bracketed(const char* p, size_t n, int default_port, TargetHost* out) noexcept nogil:
    cdef size_t end = 1
    while end < n and p[end] != c"]":
        end += 1
    if end == n or parse_ipv6(p + 1, end - 1, out.address.ip) != 0:
        return -FAULT_TARGET
    if parse_port(p + end + 1, n - end - 1, default_port, out) != 0:
        return -FAULT_TARGET
    out.address.family = 4 if is_mapped(out.address.ip) else 6
    out.address.port = out.port
    out.kind = HOST_IPV4 if out.address.family == 4 else HOST_IPV6
    out.name_length = <uint16_t>format_ip(&out.address, out.name)
    return 0


cdef int parse_authority(const char* p, size_t n, int default_port, TargetHost* out) noexcept nogil:
    cdef size_t i = 0, length, label = 0, previous = 0, bound
    cdef uint8_t c
    cdef uint32_t value = 0
    if n == 0:
        return -FAULT_TARGET
    if p[0] == c"[":
        return parse_bracketed(p, n, default_port, out)
    bound = n if n < 255 else 255     # 253, the trailing dot, and one to notice that it is too long
    while i < bound:
        c = HOST_BYTES[<uint8_t>p[i]]
        if c == 0:
            break
        out.name[i] = <char>c
        if c == c".":
            if i - label - 1 > 62:    # empty (wraps round) or over 63
                return -FAULT_TARGET
            previous = label
            label = i + 1
        i += 1
    length = i
    if parse_port(p + i, n - i, default_port, out) != 0:
        return -FAULT_TARGET
    if label == length:               # one trailing dot
        if length == 0:
            return -FAULT_TARGET
        length -= 1
        label = previous
    elif length - label > 63:
        return -FAULT_TARGET
    if length > 253:
        return -FAULT_TARGET
    if 48 <= <uint8_t>out.name[label] <= 57 and is_number(out.name + label, length - label):
        if not parse_quad(out.name, length, &value):
            if parse_legacy(out.name, length, &value) != 0:
                return -FAULT_TARGET
            set_ipv4(&out.address, value)
            length = <size_t>format_quad(out.address.ip + 12, out.name)
        set_ipv4(&out.address, value)
        out.kind = HOST_IPV4
    else:
        out.kind = HOST_NAME
        memset(&out.address, 0, sizeof(Address))
    out.name_length = <uint16_t>length
    out.address.port = out.port
    return 0


# --- special addresses

cdef bint is_special_ipv4(uint32_t ip) noexcept nogil:
    """IANA special-purpose registry (RFC 6890), whether globally reachable or not, and multicast."""
    cdef uint32_t first = ip >> 24
    if first == 0 or first == 10 or first == 127 or first >= 224:
        return True
    if first == 100:
        return (ip >> 22) == (100 << 2) + 1            # 100.64/10, shared (RFC 6598)
    if first == 168:
        return ip == 0xA83F8110U                        # 168.63.129.16: Azure's platform, seen from its guests
    if first == 169:
        return (ip >> 16) == 0xA9FE                    # link-local, clouds' metadata
    if first == 172:
        return (ip >> 20) == 0xAC1
    if first == 192:
        return ((ip >> 16) == 0xC0A8 or (ip >> 8) == 0xC00000 or (ip >> 8) == 0xC00002
                or (ip >> 8) == 0xC05863)              # 192.168/16, 192.0.0/24, 192.0.2/24, 192.88.99/24
    if first == 198:
        return (ip >> 17) == 0x6309 or (ip >> 8) == 0xC63364      # 198.18/15, 198.51.100/24
    return (ip >> 8) == 0xCB0071                       # 203.0.113/24


cdef bint is_special(const uint8_t* ip) noexcept nogil:
    cdef uint64_t high = load_be8(ip), low = load_be8(ip + 8)
    if high == 0:
        # ::, ::1, IPv4-compatible and all else under ::/64, but for mapped IPv4.
        return is_special_ipv4(<uint32_t>low) if (low >> 32) == 0xFFFF else True
    if high >> 61 != 1:
        # Outside of 2000::/3 nothing is global unicast: fc00::/7, fe80::/10, fec0::/10, ff00::/8,
        # 100::/64, 5f00::/16, 64:ff9b:1::/48 (a site's own NAT64) ... The one exception is NAT64.
        return is_special_ipv4(<uint32_t>low) if high == 0x0064FF9B00000000ULL and low >> 32 == 0 else True
    if high >> 48 == 0x2002:
        return is_special_ipv4(<uint32_t>(high >> 16))     # 6to4
    return (high >> 41 == 0x20010000 >> 9                  # 2001::/23, with Teredo and ORCHID
            or high >> 32 == 0x20010DB8                    # documentation
            or high >> 44 == 0x3FFF0)                      # 3fff::/20, documentation (RFC 9637)


cdef bint is_private_client(const uint8_t* ip) noexcept nogil:
    cdef uint64_t high = load_be8(ip), low = load_be8(ip + 8)
    cdef uint32_t quad = <uint32_t>low
    if high == 0:
        if low >> 32 != 0xFFFF:
            return low == 1
        # No 100.64/10: behind a carrier's NAT sit its other customers.
        return (quad >> 24 == 127 or quad >> 24 == 10 or quad >> 20 == 0xAC1 or quad >> 16 == 0xC0A8
                or quad >> 16 == 0xA9FE)
    return high >> 57 == 0xFC >> 1 or high >> 54 == 0xFE80 >> 6


# --- sets of prefixes

cdef int compare4(const void* a, const void* b) noexcept nogil:
    cdef uint32_t x = (<const Range4*>a).first, y = (<const Range4*>b).first
    return (x > y) - (x < y)


cdef int compare6(const void* a, const void* b) noexcept nogil:
    cdef const Range6* x = <const Range6*>a
    cdef const Range6* y = <const Range6*>b
    if x.first_high != y.first_high:
        return 1 if x.first_high > y.first_high else -1
    return (x.first_low > y.first_low) - (x.first_low < y.first_low)


cdef size_t merge4(Range4* ranges, size_t count) noexcept nogil:
    """Sort, and join what overlaps or touches; returns how many are left."""
    cdef size_t i, kept = 0
    if count == 0:
        return 0
    qsort(ranges, count, sizeof(Range4), compare4)
    for i in range(1, count):
        if ranges[kept].last == 0xFFFFFFFFU or ranges[i].first <= ranges[kept].last + 1:
            if ranges[i].last > ranges[kept].last:
                ranges[kept].last = ranges[i].last
        else:
            kept += 1
            ranges[kept] = ranges[i]
    return kept + 1


cdef inline bint is_after(uint64_t a_high, uint64_t a_low, uint64_t b_high, uint64_t b_low) noexcept nogil:
    return a_high > b_high or (a_high == b_high and a_low > b_low)


cdef size_t merge6(Range6* ranges, size_t count) noexcept nogil:
    cdef size_t i, kept = 0
    cdef Range6* last
    if count == 0:
        return 0
    qsort(ranges, count, sizeof(Range6), compare6)
    for i in range(1, count):
        last = &ranges[kept]
        if not is_after(ranges[i].first_high, ranges[i].first_low, last.last_high, last.last_low):
            if is_after(ranges[i].last_high, ranges[i].last_low, last.last_high, last.last_low):
                last.last_high = ranges[i].last_high
                last.last_low = ranges[i].last_low
        else:
            kept += 1
            ranges[kept] = ranges[i]
    return kept + 1


cdef int parse_prefix(const char* p, size_t n, Address* address, int* bits) noexcept nogil:
    """`address` or `address/length`; *bits counts from the start of the 16-byte form. 0, or -1."""
    cdef size_t slash = 0, i
    cdef int value = 0
    cdef bint dotted = False
    while slash < n and p[slash] != c"/":
        dotted = dotted or p[slash] == c"."
        slash += 1
    if parse_ip(p, slash, address) != 0:
        return -1
    bits[0] = 128
    if slash == n:
        return 0
    if n - slash < 2 or n - slash > 4 or (p[slash + 1] == c"0" and n - slash > 2):
        return -1
    for i in range(slash + 1, n):
        if not (48 <= <uint8_t>p[i] <= 57):
            return -1
        value = value * 10 + (<uint8_t>p[i] - 48)
    for i in range(slash):
        if p[i] == c":":
            dotted = False
    bits[0] = value + 96 if dotted else value
    if bits[0] > 128 or (address.family == 4 and bits[0] < 96):
        return -1
    return 0


@cython.final
cdef class AddressSet:
    """An immutable set of IP addresses, made from addresses and CIDR prefixes.

    An IPv4 prefix also takes the IPv4-mapped form of its addresses; an IPv6 prefix takes no IPv4 address
    (`::/0` is all of IPv6 only). Bits after the prefix's length are ignored. ValueError names a malformed entry.
    It also takes what is on one of `lists` (AddressLists), whenever they change.
    """

    def __cinit__(self, prefixes=(), lists=()):
        cdef size_t room4 = 0, room6 = 0
        cdef Py_ssize_t size = 0
        cdef const char* text
        cdef Address address
        cdef int bits = 0
        cdef object prefix
        for prefix in prefixes:
            text = PyUnicode_AsUTF8AndSize(prefix, &size)
            if parse_prefix(text, <size_t>size, &address, &bits) != 0:
                raise ValueError(f"not an IP address or prefix: {prefix!r}")
            if address.family == 4:
                if self.count4 == room4:
                    room4 = room4 * 2 if room4 else 8
                    self.ranges4 = <Range4*>grow(self.ranges4, room4 * sizeof(Range4))
                self.add4(&address, bits - 96)
            else:
                if self.count6 == room6:
                    room6 = room6 * 2 if room6 else 8
                    self.ranges6 = <Range6*>grow(self.ranges6, room6 * sizeof(Range6))
                self.add6(&address, bits)
        self.count4 = merge4(self.ranges4, self.count4)
        self.count6 = merge6(self.ranges6, self.count6)
        if self.count4:
            self.ranges4 = <Range4*>grow(self.ranges4, self.count4 * sizeof(Range4))
        if self.count6:
            self.ranges6 = <Range6*>grow(self.ranges6, self.count6 * sizeof(Range6))
        self.kept = tuple(lists)
        if self.kept:
            self.lists = <const ListView**>grow(NULL, <size_t>len(self.kept) * sizeof(ListView*))
            for one in self.kept:
                self.lists[self.list_count] = &(<AddressList?>one).view
                self.list_count += 1

    def __dealloc__(self):
        free(self.ranges4)
        free(self.ranges6)
        free(<void*>self.lists)

    cdef void add4(self, const Address* address, int bits) noexcept:
        cdef uint32_t host = <uint32_t>(<uint64_t>0xFFFFFFFFU >> bits)
        cdef uint32_t first = <uint32_t>load_be8(address.ip + 8) & ~host
        self.ranges4[self.count4].first = first
        self.ranges4[self.count4].last = first | host
        self.count4 += 1

    cdef void add6(self, const Address* address, int bits) noexcept:
        cdef uint64_t ones = <uint64_t>0xFFFFFFFFFFFFFFFFULL
        cdef uint64_t host_high = ones >> bits if bits < 64 else 0
        cdef uint64_t host_low = ones if bits <= 64 else (ones >> (bits - 64) if bits < 128 else 0)
        cdef Range6* added = &self.ranges6[self.count6]
        added.first_high = load_be8(address.ip) & ~host_high
        added.first_low = load_be8(address.ip + 8) & ~host_low
        added.last_high = added.first_high | host_high
        added.last_low = added.first_low | host_low
        self.count6 += 1

    cdef bint contains(self, const uint8_t* ip) noexcept nogil:
        cdef size_t i
        if self.in_ranges(ip):
            return True
        for i in range(self.list_count):
            if list_contains(self.lists[i], ip):
                return True
        return False

    cdef bint in_ranges(self, const uint8_t* ip) noexcept nogil:
        cdef uint64_t high = load_be8(ip), low = load_be8(ip + 8)
        cdef uint32_t quad = <uint32_t>low
        cdef size_t start = 0, n, half
        # Both searches leave `start` at the first range that begins after the address.
        if high == 0 and low >> 32 == 0xFFFF:
            n = self.count4
            while n:
                half = n >> 1
                if self.ranges4[start + half].first <= quad:
                    start += half + 1
                    n -= half + 1
                else:
                    n = half
            return start != 0 and quad <= self.ranges4[start - 1].last
        n = self.count6
        while n:
            half = n >> 1
            if not is_after(self.ranges6[start + half].first_high, self.ranges6[start + half].first_low, high, low):
                start += half + 1
                n -= half + 1
            else:
                n = half
        return start != 0 and not is_after(high, low, self.ranges6[start - 1].last_high,
                                           self.ranges6[start - 1].last_low)

    def __len__(self):
        """How many disjoint ranges the set holds, those of its lists apart."""
        return self.count4 + self.count6

    def matches(self, str address not None):
        """Whether the set holds `address`; ValueError if that is not an IP address."""
        cdef Address parsed
        cdef Py_ssize_t size = 0
        cdef const char* text = PyUnicode_AsUTF8AndSize(address, &size)
        if parse_ip(text, <size_t>size, &parsed) != 0:
            raise ValueError(f"not an IP address: {address!r}")
        return self.contains(parsed.ip)


cdef void* grow(void* memory, size_t size) except NULL:
    cdef void* grown = realloc(memory, size)
    if grown == NULL:
        raise MemoryError
    return grown


def canonical_host(str text not None):
    """The one form of a host name or literal that tables match: (name, kind), kind being 0, 4 or 6.

    Takes no port; IPv6 with or without brackets. ValueError if it is no host.
    """
    cdef TargetHost host
    cdef Address address
    cdef char out[46]
    cdef Py_ssize_t size = 0
    cdef const char* p = PyUnicode_AsUTF8AndSize(text, &size)
    if parse_ip(p, <size_t>size, &address) == 0:
        return (out[:format_ip(&address, out)]).decode("ascii"), address.family
    if parse_authority(p, <size_t>size, 0, &host) != 0 or (size and ":" in text.rpartition("]")[2]):
        raise ValueError(f"not a host name: {text!r}")
    return (host.name[:host.name_length]).decode("ascii"), host.kind
