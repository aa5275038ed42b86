"""Configuration: one YAML file to frozen models, with every problem named by file, line, column, key and mend.

Nouns: *section* (a mapping of the file, one model each), *scalar* (a typed value), *finding* (what a cross check has to
say), *document* (configuration, text and places), *revision* (a numbered configuration in force), *change* (what
differs between two). Called by control and runtime; policy, egress and listeners read the models. Calls nothing above.
"""

from limen.config.check import Check, Report, check
from limen.config.findings import Finding
from limen.config.load import Document, load, loads, read, reads
from limen.config.models import Config

__all__ = ["Check", "Config", "Document", "Finding", "Report", "check", "load", "loads", "read", "reads"]
