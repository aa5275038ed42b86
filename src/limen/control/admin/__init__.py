"""The admin server: what a supervisor serves on its control socket and its admin address.

Nouns: *guard* (who may ask at a door), *resource* (one path). Called by the supervisor as an AdminServer.
"""
