"""Probes: asking endpoints at intervals whether they are well.

Nouns: a *question* (what is asked of one endpoint, complete), a *finding* (what one probe found), a *verdict* (up or
down, after rows of findings), the *schedule* (whose turn it is). Run once, in the supervisor; what follows from a
verdict is up to `limen.egress.standing`.
"""
