"""Tests only: the C-level functions of addresses, paths, tables and access with Python arguments.

Left out of wheels. The bench_* functions return nanoseconds per call.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_THREAD_CPUTIME_ID, clock_gettime, timespec

from limen.engine.access cimport ACCESS_TUNNEL, AccessTable, AccessView
from limen.engine.addresses cimport (
    AddressSet, TargetHost, format_ip, is_private_client, is_special, parse_authority, parse_ip,
)
from limen.engine.certificates cimport CertificateView
from limen.engine.host_lists cimport HostHashes, HostList, holds_name
from limen.engine.identity cimport Identity
from limen.engine.places cimport Places
from limen.engine.tables cimport RequestView, RouteTable, glob_match, host_glob_match, normalize_path
from limen.engine.types cimport FAULT_TARGET, MAX_FIELDS, METHOD_OTHER, Address, Field

from limen.engine.access import SCHEMES as _SCHEMES
from limen.engine.tables import METHODS as _METHODS


cdef double now() noexcept:
    cdef timespec t
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)
    return t.tv_sec * 1e9 + t.tv_nsec


cdef int read_address(object text, Address* out) except -1:
    memset(out, 0, sizeof(Address))
    if text == "unix":
        out.family = 1
        return 0
    cdef bytes raw = text.encode()
    if parse_ip(raw, <size_t>len(raw), out) != 0:
        raise ValueError(text)
    return 0


def authority(bytes text not None, int default_port=0):
    """(name, kind, ip, port, has_port), or None where it is refused."""
    cdef TargetHost host
    # A copy on the heap of exactly this size, so that a sanitizer sees a read behind the end.
    cdef size_t n = <size_t>len(text)
    cdef char* copy = <char*>malloc(n)
    memcpy(copy, <const char*>text, n)
    cdef int status = parse_authority(copy, n, default_port, &host)
    free(copy)
    if status != 0:
        assert status == -FAULT_TARGET
        return None
    assert host.address.port == host.port
    ip = (<char*>host.address.ip)[:16] if host.kind else None
    assert host.address.family == host.kind
    return ((host.name[:host.name_length]), host.kind, ip, host.port, bool(host.has_port))


def bench_authority(bytes text not None, int loops):
    cdef TargetHost host
    cdef const char* p = text
    cdef size_t n = <size_t>len(text)
    cdef int _i, bad = 0
    cdef double start = now()
    for _i in range(loops):
        bad |= parse_authority(p, n, 80, &host)
    assert bad == 0
    return (now() - start) / loops


def read_ip(bytes text not None):
    """(16 bytes, family), or None where it is refused."""
    cdef Address address
    cdef size_t n = <size_t>len(text)
    cdef char* copy = <char*>malloc(n)
    memcpy(copy, <const char*>text, n)
    cdef int status = parse_ip(copy, n, &address)
    free(copy)
    return None if status != 0 else ((<char*>address.ip)[:16], address.family)


def write_ip(bytes ip not None, int family):
    cdef Address address
    cdef char out[46]
    cdef int n
    memcpy(address.ip, <const char*>ip, 16)
    address.family = <uint8_t>family
    n = format_ip(&address, out)
    return (<char*>out)[:n].decode()


def special(str text not None):
    cdef Address address
    read_address(text, &address)
    return bool(is_special(address.ip))


def private_client(str text not None):
    cdef Address address
    read_address(text, &address)
    return bool(is_private_client(address.ip))


def contains(AddressSet prefixes not None, bytes ip not None):
    assert len(ip) == 16
    return bool(prefixes.contains(<const uint8_t*><const char*>ip))


def bench_contains(AddressSet prefixes not None, list ips not None, int loops):
    cdef bytes joined = b"".join(ips)
    cdef const uint8_t* p = <const uint8_t*><const char*>joined
    cdef int _i, k, count = <int>len(ips), found = 0
    cdef double start = now()
    for _i in range(loops):
        for k in range(count):
            found += prefixes.contains(p + 16 * k)
    return (now() - start) / (<double>loops * count)


def normalize(bytes path not None, room=None):
    """The normalised path; None if it is refused. `room` limits the output."""
    cdef size_t n = <size_t>len(path), size = n if room is None else room
    cdef char* out = <char*>malloc(size + 1)
    cdef char* copy = <char*>malloc(n)
    memcpy(copy, <const char*>path, n)
    cdef int written = normalize_path(copy, n, out, size)
    try:
        return None if written < 0 else path if written == 0 else out[:written]
    finally:
        free(out)
        free(copy)


def bench_normalize(bytes path not None, int loops):
    cdef char out[4096]
    cdef const char* p = path
    cdef size_t n = <size_t>len(path)
    cdef int _i, total = 0
    cdef double start = now()
    for _i in range(loops):
        total += normalize_path(p, n, out, sizeof(out))
    return (now() - start) / loops


def glob(bytes pattern not None, bytes text not None):
    return bool(glob_match(pattern, <size_t>len(pattern), text, <size_t>len(text)))


def host_glob(bytes pattern not None, bytes text not None):
    return bool(host_glob_match(pattern, <size_t>len(pattern), text, <size_t>len(text)))


cdef class _View:
    """A RequestView with the memory behind it."""

    cdef RequestView view
    cdef Field fields[MAX_FIELDS]
    cdef Address client
    cdef CertificateView certificate
    cdef list kept

    def __init__(
        self, host=b"", path=b"/", query=b"", method=b"GET", fields=(), client=None, certificate=None, ja4=b"",
        Places places=None, Identity identity=None,
    ):
        cdef bytes head = b""
        cdef int i
        self.kept = [host, path, query, method, ja4]
        for i, (name, value) in enumerate(fields):
            self.fields[i].name = <uint32_t>len(head)
            self.fields[i].name_length = <uint16_t>len(name)
            self.fields[i].value = <uint32_t>(len(head) + len(name))
            self.fields[i].value_length = <uint16_t>len(value)
            head += name + value
        self.kept.append(head)
        self.view.head = head
        self.view.fields = self.fields
        self.view.count = <unsigned int>len(fields)
        self.view.host, self.view.host_length = host, len(host)
        self.view.path, self.view.path_length = path, len(path)
        self.view.query, self.view.query_length = query, len(query)
        self.view.method, self.view.method_length = method, len(method)
        self.view.method_id = <uint8_t><int>_METHODS.get(method.decode(), METHOD_OTHER)
        self.view.client = NULL
        self.view.certificate = NULL
        self.view.place = NULL
        self.view.identity = <void*>identity if identity is not None else NULL
        self.kept.append(identity)
        self.view.ja4 = ja4
        self.view.ja4_length = len(ja4)
        if certificate is not None:
            # (subject, names, fingerprint) as the facts of a connection have them
            self.kept += certificate
            self.certificate.subject, self.certificate.subject_length = certificate[0], len(certificate[0])
            self.certificate.names, self.certificate.names_length = certificate[1], len(certificate[1])
            self.certificate.fingerprint = certificate[2]
            self.view.certificate = &self.certificate
        if client is not None:
            read_address(client, &self.client)
            self.view.client = &self.client
            if places is not None:
                # the places keep it
                self.kept.append(places)
                self.view.place = &places.rows[places.find(&self.client)]


def match(RouteTable table not None, **request):
    """The route's number, or -1."""
    cdef _View view = _View(**request)
    return table.match(&view.view)


cdef struct Asked:
    RequestView view
    char text[128]


cdef double copy_or_match(RouteTable table, const Asked* asked, int count, int loops, bint matching) except -1:
    """Each request is copied to the same place first, as one that was just received lies there."""
    cdef Asked current
    cdef int i, k
    cdef unsigned int total = 0
    cdef double start = now()
    for i in range(loops):
        for k in range(count):
            current = asked[k]
            current.view.host = current.text
            current.view.path = current.text + current.view.host_length
            if matching:
                total += <unsigned int>table.match(&current.view)
            else:
                total += <uint8_t>current.text[i & 127]
    return (now() - start) / (<double>loops * count)


def bench_match(RouteTable table not None, list requests not None, int loops, int rounds=7):
    """`requests` are dictionaries for match() with host, path and method only, taken in turn; best of `rounds`."""
    cdef int k, count = <int>len(requests)
    cdef Asked* asked = <Asked*>malloc(<size_t>count * sizeof(Asked))
    cdef double copied = 1e9, matched = 1e9
    cdef _View view
    for k in range(count):
        view = _View(**requests[k])
        assert view.view.host_length + view.view.path_length <= sizeof(asked.text)
        asked[k].view = view.view
        asked[k].view.method = b"GET"
        memcpy(asked[k].text, view.view.host, view.view.host_length)
        memcpy(asked[k].text + view.view.host_length, view.view.path, view.view.path_length)
    try:
        for _ in range(rounds):
            copied = min(copied, copy_or_match(table, asked, count, loops, False))
            matched = min(matched, copy_or_match(table, asked, count, loops, True))
        return matched - copied
    finally:
        free(asked)


def decide(AccessTable table not None, **request):
    """(Decision, rule)."""
    return decide_dry(table, **request)[:2]


def decide_dry(
    AccessTable table not None, *, host=b"", port=443, method=b"CONNECT", client="127.0.0.1", target=None,
    Places places=None, Identity identity=None, scheme="tunnel", bytes path=None, bytes content_type=None,
    uint64_t size=0, bint by_name=False, bint answered=False, bytes answer_type=None, uint64_t answer_size=0,
):
    """(Decision, rule, dry rule)."""
    cdef AccessView view
    cdef Address source, destination
    cdef int rule = -2, dry = -2
    cdef uint32_t number
    cdef int verdict
    read_address(client, &source)
    view.client = &source
    view.host, view.host_length = host, len(host)
    view.port = port
    view.method, view.method_length = method, len(method)
    view.method_id = <uint8_t><int>_METHODS.get(method.decode(), METHOD_OTHER)
    view.target = NULL
    view.place = &places.rows[places.find(&source)] if places is not None else NULL
    view.identity = <void*>identity if identity is not None else NULL
    view.target_place = NULL
    if target is not None:
        read_address(target, &destination)
        view.target = &destination
        if places is not None:
            number = places.find(&destination)
            view.place = &places.rows[places.find(&source)]
            view.target_place = &places.rows[number]
    view.scheme = <uint8_t><int>_SCHEMES[scheme]
    view.by_name = by_name
    view.answered = answered
    view.answer_type = NULL
    view.answer_size = answer_size
    if answer_type is not None:
        view.answer_type, view.answer_type_length = answer_type, <size_t>len(answer_type)
    view.path = NULL
    view.content_type = NULL
    view.content_size = size
    if path is not None:
        view.path, view.path_length = path, <size_t>len(path)
    if content_type is not None:
        view.content_type, view.content_type_length = content_type, <size_t>len(content_type)
    verdict = table.decide(&view, &rule, &dry)
    return verdict, rule, dry


def bench_decide(AccessTable table not None, list hosts not None, int loops):
    cdef AccessView view
    cdef Address source
    cdef int _i, rule = -1, dry = -1, total = 0
    cdef bytes host
    view.scheme = ACCESS_TUNNEL
    view.by_name = view.answered = False
    view.path = view.content_type = NULL
    view.path_length = view.content_type_length = 0
    view.content_size = 0
    read_address("10.0.0.1", &source)
    view.client = &source
    view.port = 443
    view.method, view.method_length, view.method_id = b"CONNECT", 7, <uint8_t><int>_METHODS["CONNECT"]
    view.target = NULL
    view.place = view.target_place = NULL
    view.identity = NULL
    cdef double start = now()
    for _i in range(loops):
        for host in hosts:
            view.host, view.host_length = host, <size_t>len(host)
            total += table.decide(&view, &rule, &dry)
    return (now() - start) / (<double>loops * len(hosts))


def bench_held(HostList listed not None, list hosts not None, int loops):
    """Nanoseconds per look-up, and how many were found."""
    cdef HostHashes hashes
    cdef bytes host
    cdef long found = 0
    cdef int _i
    cdef double start = now()
    for _i in range(loops):
        for host in hosts:
            hashes.count = 0
            found += holds_name(&listed.view, &hashes, host, <size_t>len(host))
    return (now() - start) / (<double>loops * len(hosts)), found // loops
