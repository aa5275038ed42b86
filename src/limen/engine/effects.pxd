# What follows from the verdict of an access rule, beside allow and deny. Data only.

from limen.engine.addresses cimport TargetHost
from limen.engine.capture cimport Capture
from limen.engine.guard cimport Guard


cdef class RuleEffect:
    cdef readonly str name
    cdef bytes label          # in the log and in answers
    cdef unsigned int slot    # of its count
    cdef bytes location       # of a rule that denies: a redirect's template, see replies.fill_location; None: 403
    cdef TargetHost host      # of a rule that allows: dialled instead of the target; name_length 0: the target
    cdef readonly Guard guard # limits of what it allows; None: none
    cdef readonly Capture capture     # of what it allows; None: the action's
