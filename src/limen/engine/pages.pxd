# Pages for statuses: what an operator wants clients to see instead of our words, or of an origin's.

from libc.stdint cimport uint32_t


cdef enum PageKind:
    PAGE_HTML = 0
    PAGE_JSON = 1
    PAGE_TEXT = 2
    PAGE_KINDS = 3


cdef enum Filling:
    # What is put behind a piece of a page, escaped as its kind demands.
    FILL_NOTHING = 0
    FILL_STATUS = 1
    FILL_REASON = 2
    FILL_REQUEST_ID = 3
    FILL_HOST = 4


cdef struct PagePiece:
    const char* text          # borrowed from Template.kept
    uint32_t size
    int filling


cdef class Template:
    cdef int kind
    cdef bytes content_type
    cdef PagePiece* pieces        # owned
    cdef int count
    cdef char* room               # owned: the page laid out last, sent before the next one is
    cdef size_t room_size
    cdef list kept


cdef class Page:
    cdef list templates           # by PageKind; None where there is none
    cdef int first                # kind for clients that do not care
    cdef readonly bint replaces   # also what an origin says with this status


cdef class Pages:
    cdef list pages               # 400 to 599; None where there is none
    cdef readonly bint replaces   # some page does

    cdef Page find(self, int status)
