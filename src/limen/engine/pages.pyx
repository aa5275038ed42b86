# Pages and what they are made of; replies.pyx lays them out.

from libc.stdlib cimport calloc, free, malloc

import re

FILLINGS = {b"status": FILL_STATUS, b"reason": FILL_REASON, b"request_id": FILL_REQUEST_ID, b"host": FILL_HOST}
KINDS = ("html", "json", "text")
PLACE = re.compile(rb"\{(status|reason|request_id|host)\}")

cdef enum:
    FILL_MOST = 1536              # the longest host, six bytes for each of its own
    PAGE_MOST = 65536
    FILLINGS_MOST = 32


cdef class Template:
    """A page of one kind (html, json or text) with places for {status}, {reason}, {request_id} and {host}.

    ValueError over 64 KiB or 32 places.
    """

    def __init__(self, str kind, str content_type, bytes text not None):
        cdef bytes piece
        cdef size_t size = 0
        parts = PLACE.split(text)
        if len(text) > PAGE_MOST or len(parts) // 2 > FILLINGS_MOST:
            raise ValueError("a page has at most 64 KiB and 32 places")
        self.kind = KINDS.index(kind)
        self.content_type = content_type.encode("ascii")
        self.kept = []
        self.count = (len(parts) + 1) // 2
        self.pieces = <PagePiece*>calloc(<size_t>self.count, sizeof(PagePiece))
        if self.pieces == NULL:
            raise MemoryError
        for number in range(self.count):
            piece = parts[2 * number]
            self.kept.append(piece)
            self.pieces[<int>number].text = <const char*>piece
            self.pieces[<int>number].size = len(piece)
            if 2 * number + 1 < len(parts):
                self.pieces[<int>number].filling = FILLINGS[parts[2 * number + 1]]
            size += <size_t>len(piece) + FILL_MOST
        self.room_size = size
        self.room = <char*>malloc(size)
        if self.room == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.pieces)
        free(self.room)


cdef class Page:
    """The templates for one status, the first one for clients that take anything."""

    def __init__(self, list templates not None, bint replaces=False):
        cdef Template template
        self.templates = [None] * PAGE_KINDS
        self.first = -1
        for template in templates:
            if self.first < 0:
                self.first = template.kind
            self.templates[template.kind] = template
        if self.first < 0:
            raise ValueError("a page without a template")
        self.replaces = replaces


cdef class Pages:
    """Pages by status, 400 to 599."""

    def __init__(self, dict pages not None):
        cdef Page page
        self.pages = [None] * 200
        for status, page in pages.items():
            if not 400 <= status <= 599:
                raise ValueError(f"no page is for status {status}")
            self.pages[status - 400] = page
            self.replaces = self.replaces or page.replaces

    cdef Page find(self, int status):
        return <Page>self.pages[status - 400] if 400 <= status <= 599 else None
