"""Who clients are, without I/O: what they show, files of names, and how failed attempts are slowed down.

Nouns: *credentials* are what a client shows; a *provider* says whose they are; a *penalty* is what failures cost.
"""
