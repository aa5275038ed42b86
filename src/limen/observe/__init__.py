"""What Limen tells about itself: metrics, access log, state.

Nouns: the *board* (shared memory with counters, written by workers), the *catalogue* (every metric
with its name, unit and meaning), the *exposition* (the board as text for Prometheus), the *access
log* (one record per exchange, written by the engine's journal).
Called by the supervisor and the admin API; calls nothing of the engine.
"""
