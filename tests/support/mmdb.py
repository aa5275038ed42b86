"""Small MMDB files for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]


def write_mmdb(path: Path, records: Mapping[str, Mapping[str, object]], *, ip_version: int = 6) -> Path:
    """A file that holds a record for each of these networks, put in place in one step."""
    mapped = ip_version == 6
    writer = MMDBWriter(ip_version=ip_version, database_type="Test", ipv4_compatible=mapped, int_type="u32")
    for network, record in records.items():
        writer.insert_network(IPSet([network]), dict(record))
    fresh = path.with_suffix(".new")
    writer.to_db_file(str(fresh))
    fresh.replace(path)
    return path
