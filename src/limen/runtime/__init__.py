"""The processes: one supervisor that owns sockets and life cycles, and the workers that carry the bytes.

Nouns: *supervisor* (plain asyncio, no engine), *worker* (one process, one loop, one core), *core* (what a worker runs:
see protocols), *channel* (framed messages between both), *crew* (all workers and their restarts), *revision* (one
checked configuration with its number), *reload*, *drain*, *handover*, *slots* (stable numbers for metrics).
Called by control; the only package that sees all others, and only `assemble` sees the engine.
"""
