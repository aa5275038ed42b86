"""Tests; the tree of unit mirrors src/limen. See tests/support for what integration tests stand on."""
