# The system calls and libc pieces the engine uses. Declarations only.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, int64_t


cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <arpa/inet.h>
    #include <linux/netfilter_ipv4.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <stddef.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/epoll.h>
    #include <sys/socket.h>
    #include <sys/timerfd.h>
    #include <sys/uio.h>
    #include <sys/un.h>
    #include <time.h>
    #include <unistd.h>

    static inline int limen_errno(void) { return errno; }
    static inline unsigned long long limen_monotonic(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec;
    }
    static inline unsigned long long limen_realtime(void) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec;
    }
    #define LIMEN_LIKELY(x) __builtin_expect(!!(x), 1)
    #define LIMEN_UNLIKELY(x) __builtin_expect(!!(x), 0)
    """
    int limen_errno() noexcept nogil
    unsigned long long limen_monotonic() noexcept nogil
    unsigned long long limen_realtime() noexcept nogil
    bint likely "LIMEN_LIKELY"(bint) noexcept nogil
    bint unlikely "LIMEN_UNLIKELY"(bint) noexcept nogil

    const int EAGAIN, EINTR, EINPROGRESS, ECONNREFUSED, ETIMEDOUT, EMFILE, ENFILE, ENOMEM, EINVAL
    const int ECONNABORTED, ENOBUFS, EPIPE, ECONNRESET, ESRCH

    # epoll: data.ptr is always a borrowed Handler* (owned by its registration)
    const unsigned int EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET
    const int EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLL_CLOEXEC
    ctypedef union epoll_data_t:
        void* ptr
        int fd
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags) nogil
    int epoll_ctl(int epfd, int op, int fd, epoll_event* event) nogil
    int epoll_wait(int epfd, epoll_event* events, int count, int timeout) nogil

    # sockets
    ctypedef unsigned int socklen_t
    cdef struct sockaddr:
        uint16_t sa_family
    cdef struct in_addr:
        uint32_t s_addr
    cdef struct sockaddr_in:
        uint16_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    cdef struct in6_addr:
        uint8_t s6_addr[16]
    cdef struct sockaddr_in6:
        uint16_t sin6_family
        uint16_t sin6_port
        in6_addr sin6_addr
    cdef struct sockaddr_un:
        uint16_t sun_family
        char sun_path[108]
    cdef struct sockaddr_storage:
        uint16_t ss_family
    cdef struct iovec:
        void* iov_base
        size_t iov_len
    cdef struct msghdr:
        void* msg_name
        socklen_t msg_namelen
        iovec* msg_iov
        size_t msg_iovlen
        void* msg_control
        size_t msg_controllen
        int msg_flags
    const int AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC, SOL_SOCKET, SO_ERROR
    const int IPPROTO_TCP, TCP_NODELAY, MSG_NOSIGNAL, MSG_DONTWAIT, MSG_MORE, MSG_PEEK, SO_LINGER
    const int SOCK_DGRAM, SOL_IP, SOL_IPV6, SO_ORIGINAL_DST, MSG_TRUNC
    const int SHUT_RD, SHUT_WR, SHUT_RDWR
    const int IPPROTO_IP, IP_FREEBIND, IP_BIND_ADDRESS_NO_PORT, SO_BINDTODEVICE, SO_MARK
    int socket(int family, int type, int protocol) nogil
    int connect(int fd, const sockaddr* address, socklen_t length) nogil
    int bind(int fd, const sockaddr* address, socklen_t length) nogil
    int accept4(int fd, sockaddr* address, socklen_t* length, int flags) nogil
    int getsockopt(int fd, int level, int name, void* value, socklen_t* length) nogil
    int setsockopt(int fd, int level, int name, const void* value, socklen_t length) nogil
    int getsockname(int fd, sockaddr* address, socklen_t* length) nogil
    int getpeername(int fd, sockaddr* address, socklen_t* length) nogil
    int shutdown(int fd, int how) nogil
    ssize_t recv(int fd, void* data, size_t size, int flags) nogil
    ssize_t send(int fd, const void* data, size_t size, int flags) nogil
    int bind(int fd, const sockaddr* address, socklen_t length) nogil
    int listen(int fd, int backlog) nogil
    ssize_t recvfrom(int fd, void* data, size_t size, int flags, sockaddr* address, socklen_t* length) nogil
    ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* address, socklen_t length) nogil
    ssize_t sendmsg(int fd, const msghdr* message, int flags) nogil
    uint16_t htons(uint16_t value) nogil
    uint16_t ntohs(uint16_t value) nogil

    # files and pipes
    const int O_NONBLOCK, O_CLOEXEC, O_TMPFILE, O_RDWR, O_EXCL, F_SETPIPE_SZ
    const unsigned int SPLICE_F_MOVE, SPLICE_F_NONBLOCK, SPLICE_F_MORE
    int close(int fd) nogil
    int pipe2(int* fds, int flags) nogil
    int fcntl(int fd, int command, ...) nogil
    ssize_t splice(int source, void* in_offset, int target, void* out_offset, size_t size, unsigned int flags) nogil
    ssize_t write(int fd, const void* data, size_t size) nogil
    ssize_t read(int fd, void* data, size_t size) nogil
    ssize_t pwrite(int fd, const void* data, size_t size, int64_t offset) nogil
    ssize_t pread(int fd, void* data, size_t size, int64_t offset) nogil
    int mkostemp(char* template, int flags) nogil
    int unlink(const char* path) nogil

    # timerfd
    const int CLOCK_MONOTONIC, TFD_NONBLOCK, TFD_CLOEXEC, TFD_TIMER_ABSTIME
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    cdef struct itimerspec:
        timespec it_interval
        timespec it_value
    int timerfd_create(int clock, int flags) nogil
    int timerfd_settime(int fd, int flags, const itimerspec* new, itimerspec* old) nogil


cdef inline uint64_t monotonic() noexcept nogil:
    """Nanoseconds of CLOCK_MONOTONIC."""
    return <uint64_t>limen_monotonic()


cdef inline uint64_t realtime() noexcept nogil:
    """Nanoseconds since the epoch."""
    return <uint64_t>limen_realtime()
