"""MMDB files of several makers, sealed copies of them, and what is said of an address."""

import os

import pytest

from limen.config import loads
from limen.runtime.databases import NO_DATABASES, Memory, read_databases
from limen.runtime.locating import DatabaseHold, places_of
from limen.runtime.mmdb import Database, Located, Unusable, open_database, read_record
from tests.support.mmdb import write_mmdb

CITY = {
    "192.0.2.0/24": {
        "country": {"iso_code": "FR"},
        "continent": {"code": "EU"},
        "location": {"latitude": 48.8566, "longitude": 2.3522},
    },
    "2001:db8::/32": {"registered_country": {"iso_code": "AU"}},
}
NUMBERS = {"192.0.2.0/25": {"autonomous_system_number": 64500, "country": {"iso_code": "XX"}}}


@pytest.mark.parametrize(
    ("record", "located"),
    [
        (CITY["192.0.2.0/24"], Located("FR", "EU", 0, (48.8566, 2.3522))),
        ({"country": "US", "continent": "NA", "asn": "AS15169"}, Located("US", "NA", 15169)),
        ({"country": "United States", "country_code": "US", "continent_code": "NA"}, Located("US", "NA")),
        ({"lat": "50.1", "lng": "8.7"}, Located(at=(50.1, 8.7))),
        ({"asn": "ASx", "country": 7, "location": {"latitude": 91, "longitude": 0}}, Located()),
        ({"latitude": "north", "longitude": 1.0}, Located()),
        (None, Located()),
        (["FR"], Located()),
    ],
)
def test_records_of_several_makers(record, located):
    assert read_record(record) == located


def test_look_ups(tmp_path):
    memory = Memory(str(write_mmdb(tmp_path / "a.mmdb", CITY)))
    database = Database(open_database(memory.fd))
    assert database.look_up("192.0.2.9").country == "FR"
    assert database.look_up("2001:db8::1").country == "AU"
    assert database.look_up("2001:db9::1") == Located()
    with pytest.raises(OSError, match="not permitted"):
        os.write(memory.fd, b"x")
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(memory.fd, 10)
    smaller = Memory(str(write_mmdb(tmp_path / "b.mmdb", NUMBERS, ip_version=4)))
    only_four = Database(open_database(smaller.fd))
    assert only_four.look_up("2001:db8::1") == Located()
    assert only_four.look_up("192.0.2.9").asn == 64500


def test_what_is_no_file_of_places(tmp_path):
    file = tmp_path / "a.mmdb"
    for content in (b"", b"x" * 5000, write_mmdb(tmp_path / "b.mmdb", CITY).read_bytes()[:-200]):
        file.write_bytes(content)
        with pytest.raises(Unusable):
            Memory(str(file))


TEXT = """
places:
  mmdb: [@DIR@/city.mmdb, @DIR@/numbers.mmdb]
  networks: [{clients: 10.0.0.0/8, region: lab}, {clients: 192.0.2.128/25, country: DE, zone: z}]
  regions: {eu: {continents: EU}, germany: {countries: DE}}
listeners: [{bind: "127.0.0.1:1", routes: [{match: {country: FR}, respond: {}}, {respond: {}}]}]
"""


def test_files_networks_and_regions_together(tmp_path):
    write_mmdb(tmp_path / "city.mmdb", CITY)
    write_mmdb(tmp_path / "numbers.mmdb", NUMBERS)
    config = loads(TEXT.replace("@DIR@", str(tmp_path)))
    databases = read_databases(config)
    hold = DatabaseHold()
    hold.take(databases.digests, [os.dup(fd) for fd in databases.descriptors])
    places = places_of(config.places, hold.named(databases.digests))
    assert places.facts_of("192.0.2.1") == ("FR", "EU", 64500, "eu", "", 48.9, 2.4)
    assert places.facts_of("192.0.2.200") == ("DE", "EU", 0, "germany", "z", 48.9, 2.4)
    assert places.facts_of("10.1.2.3") == ("", "", 0, "lab", "", None, None)
    assert places.facts_of("203.0.113.1") == ("", "", 0, "", "", None, None)


def test_unchanged_files_are_not_read_again_and_broken_ones_stand_in(tmp_path):
    city = write_mmdb(tmp_path / "city.mmdb", CITY)
    write_mmdb(tmp_path / "numbers.mmdb", NUMBERS)
    config = loads(TEXT.replace("@DIR@", str(tmp_path)))
    first = read_databases(config)
    assert not first.findings
    assert read_databases(config, first).memories == first.memories
    city.write_bytes(b"torn")
    renewed = read_databases(config, first, lenient=True)
    assert renewed.digests == first.digests
    assert [finding.warning for finding in renewed.findings] == [True]
    refused = read_databases(config, first)
    assert [finding.warning for finding in refused.findings] == [False]
    city.unlink()
    assert "no such file" in read_databases(config).findings[0].message
    assert read_databases(loads(TEXT[TEXT.index("listeners") :].replace("match: {country: FR}, ", ""))) is NO_DATABASES
