# Patterns have stars for any characters: "**" for the globs of paths, which stop a single one at a slash. In subjects
# (RFC 4514) a comma may be a part of a value, behind a backslash: both sides are compared with such a comma as "\2C",
# which means the same, so that none of a value's ever passes for the one between two parts.

from libc.stdint cimport uint32_t
from libc.string cimport memchr, memcmp

from limen.engine.paths cimport glob_match


cdef tuple patterns(texts):
    return tuple(text.replace("*", "**").encode() for text in texts)


cdef bytes escaped(bytes text):
    """Commas and plus signs behind a backslash in hexadecimal digits."""
    cdef list pieces = text.split(b"\\\\")
    return b"\\\\".join([piece.replace(b"\\,", b"\\2C").replace(b"\\+", b"\\2B") for piece in pieces])


cdef bint subject_fits(tuple wanted, const CertificateView* view) noexcept:
    cdef bytes text
    if memchr(view.subject, 92, view.subject_length) == NULL:
        return fits(wanted, view.subject, view.subject_length)
    text = escaped(view.subject[:view.subject_length])
    return fits(wanted, <const char*>text, <uint32_t>len(text))


cdef bint fits(tuple wanted, const char* text, uint32_t size) noexcept:
    cdef bytes pattern
    for pattern in wanted:
        if glob_match(<const char*>pattern, <size_t>len(pattern), text, size):
            return True
    return False


cdef class CertificateMatch:
    """What a client's certificate must be like; of each list one must fit, an empty one sets no condition."""

    def __init__(self, bint presented=True, *, subjects=(), names=(), fingerprints=()):
        self.presented = presented
        self.subjects = tuple(escaped(pattern) for pattern in patterns(subjects))
        self.names = patterns(names)
        self.fingerprints = tuple(text.encode() for text in fingerprints)
        if any(len(text) != 64 for text in self.fingerprints):
            raise ValueError("a fingerprint has 64 digits")

    def __repr__(self) -> str:
        return f"<CertificateMatch presented={self.presented} {self.subjects} {self.names} {self.fingerprints}>"

    cdef bint holds(self, const CertificateView* view) noexcept:
        cdef bytes digits
        cdef const char* at
        cdef const char* end
        cdef const char* stop
        if view == NULL or not self.presented:
            return (view != NULL) == self.presented
        if self.subjects and not subject_fits(self.subjects, view):
            return False
        if self.fingerprints:
            for digits in self.fingerprints:
                if memcmp(<const char*>digits, view.fingerprint, 64) == 0:
                    break
            else:
                return False
        if not self.names:
            return True
        at = view.names
        end = at + view.names_length
        while at < end:
            stop = <const char*>memchr(at, 10, <size_t>(end - at))
            if stop == NULL:
                stop = end
            if fits(self.names, at, <uint32_t>(stop - at)):
                return True
            at = stop + 1
        return False
