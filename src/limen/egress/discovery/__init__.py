"""Sources of endpoints: `source.py` says what one is, `dns`, `file` and `http` are some."""
