"""Reading MMDB files: the one place that knows the library, and what the records of different makers look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maxminddb import Reader


class Unusable(ValueError):
    """This is no MMDB file; the text says why."""


@dataclass(frozen=True, slots=True)
class Located:
    """What a file says of an address; empty, 0 and None: nothing."""

    country: str = ""
    continent: str = ""
    asn: int = 0
    at: tuple[float, float] | None = None

    def completed(self, other: Located) -> Located:
        """With what the other one says of what is unknown here."""
        if self is NOTHING:
            return other
        return Located(
            self.country or other.country,
            self.continent or other.continent,
            self.asn or other.asn,
            self.at if self.at is not None else other.at,
        )


NOTHING = Located()


def open_database(descriptor: int) -> Reader:
    """A reader of what a descriptor holds, which must not change any more. Raises Unusable."""
    import maxminddb

    try:
        return maxminddb.open_database(f"/proc/self/fd/{descriptor}", _mode())
    except (maxminddb.InvalidDatabaseError, ValueError) as error:
        raise Unusable(f"is no MMDB file ({type(error).__name__})") from error


def _mode() -> int:
    """Mapped, by the library's C part where it was built."""
    import maxminddb
    from maxminddb import extension

    has_extension = getattr(extension, "Reader", None) is not None
    return int(maxminddb.MODE_MMAP_EXT if has_extension else maxminddb.MODE_MMAP)


class Database:
    """An open file, to be asked of addresses."""

    def __init__(self, reader: Reader) -> None:
        import maxminddb

        self._reader = reader
        self._holds_six = reader.metadata().ip_version == 6
        self._broken = (maxminddb.InvalidDatabaseError, ValueError)

    def look_up(self, address: str) -> Located:
        """What the file says of an address; nothing for one that it cannot hold, or that its bytes do not lead to."""
        if not self._holds_six and ":" in address:
            return NOTHING
        try:
            record = self._reader.get(address)
        except self._broken:
            return NOTHING
        return read_record(record)


def read_record(record: object) -> Located:
    """What a record says: those of MaxMind and DB-IP (nested), and of IPinfo (flat)."""
    if not isinstance(record, dict):
        return NOTHING
    country = _code(record.get("country"), "iso_code") or _code(record.get("country_code"), "")
    country = country or _code(record.get("registered_country"), "iso_code")
    continent = _code(record.get("continent"), "code") or _code(record.get("continent_code"), "")
    return Located(country, continent, _asn(record), _coordinates(record))


def _code(value: Any, key: str) -> str:
    if isinstance(value, dict):
        value = value.get(key)
    return value.upper() if isinstance(value, str) and len(value) == 2 else ""


def _asn(record: dict[str, Any]) -> int:
    value = record.get("autonomous_system_number", record.get("asn"))
    if isinstance(value, str):
        digits = value.upper().removeprefix("AS")
        value = int(digits) if digits.isascii() and digits.isdigit() else 0
    return value if isinstance(value, int) and 0 < value < 2**32 else 0


def _coordinates(record: dict[str, Any]) -> tuple[float, float] | None:
    place = record.get("location")
    if not isinstance(place, dict):
        place = {
            "latitude": record.get("lat", record.get("latitude")),
            "longitude": record.get("lng", record.get("longitude")),
        }
    found = []
    for key, most in (("latitude", 90.0), ("longitude", 180.0)):
        value = place.get(key)
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not -most <= value <= most:
            return None
        found.append(float(value))
    return found[0], found[1]
