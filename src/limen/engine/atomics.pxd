# Numbers and tags in memory that all workers map, read and changed in one step, each seen by all in the same order.
# (board.pxd has weaker ones, for what is only counted.)

from libc.stdint cimport int64_t, uint64_t


cdef extern from * nogil:
    """
    #include <stdint.h>
    static inline uint64_t limen_tag(const uint64_t *place) { return __atomic_load_n(place, __ATOMIC_SEQ_CST); }
    static inline int64_t limen_number(const int64_t *place) { return __atomic_load_n(place, __ATOMIC_SEQ_CST); }
    static inline void limen_set_tag(uint64_t *place, uint64_t tag) { __atomic_store_n(place, tag, __ATOMIC_SEQ_CST); }
    static inline void limen_set_number(int64_t *place, int64_t number) {
        __atomic_store_n(place, number, __ATOMIC_SEQ_CST);
    }
    static inline int64_t limen_add_number(int64_t *place, int64_t delta) {
        return __atomic_fetch_add(place, delta, __ATOMIC_SEQ_CST);
    }
    static inline int limen_swap_tag(uint64_t *place, uint64_t old, uint64_t fresh) {
        return __atomic_compare_exchange_n(place, &old, fresh, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    static inline int limen_swap_number(int64_t *place, int64_t old, int64_t fresh) {
        return __atomic_compare_exchange_n(place, &old, fresh, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    """
    uint64_t tag_of "limen_tag"(const uint64_t* place) noexcept
    int64_t number_of "limen_number"(const int64_t* place) noexcept
    void set_tag "limen_set_tag"(uint64_t* place, uint64_t tag) noexcept
    void set_number "limen_set_number"(int64_t* place, int64_t number) noexcept
    # What it was before.
    int64_t add_number "limen_add_number"(int64_t* place, int64_t delta) noexcept
    # Whether it was `old`, and is `fresh` now.
    bint swap_tag "limen_swap_tag"(uint64_t* place, uint64_t old, uint64_t fresh) noexcept
    bint swap_number "limen_swap_number"(int64_t* place, int64_t old, int64_t fresh) noexcept
