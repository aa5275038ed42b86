"""Lists of addresses or of names, in files or behind URLs: `lists` of the root."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from limen.config.models.section import Section, Several, changed, exactly_one
from limen.config.refusal import Refused
from limen.config.scalars import FilePath, Flag, HttpUrl, Name, Sha256, Text, choice, duration, optional, size, whole
from limen.config.units import parse_duration, parse_size

ADDRESSES = "addresses"
SUFFIXES = "suffixes"
FORMATS = (ADDRESSES, "hosts", "domains", "adblock", "rpz", "json", "csv", SUFFIXES)
_MOST_ADDRESSES = 2_000_000
_MOST_NAMES = 10_000_000
_OF_URL = ("refresh", "through", "least", "shrink", "timeout")


class SharedList(Section):
    """A list of addresses or of host names, which may be millions; kept once in memory, for all workers.

    A file is watched, a URL asked for again and again. What cannot be read leaves the list as it was.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["file"]}, {"required": ["url"]}]})

    file: FilePath | None = Field(default=None, description="The file; this or `url`.")
    url: HttpUrl | None = Field(
        default=None,
        description="Where it is fetched from, `https://` or `http://`; the certificate must be valid, redirects are "
        "not followed. The last good copy is kept on disk; before there is one the list is empty.",
    )
    format: Annotated[str, choice(*FORMATS)] = Field(
        default=ADDRESSES,
        description="`addresses`: one address, prefix or range `first-last` per line. Names: `hosts` (an address, then "
        "names), `domains` (one per line, also `.name` or `*.name`), `adblock` (`||name^`, and `@@||name^` for "
        "exceptions), `rpz` (a zone of response policy), `json` and `csv` (names with categories), `suffixes` (the "
        "Public Suffix List, of which the part of registries is taken). Lines of names that are not understood are "
        "counted and reported, never taken in part; a wrong line of addresses refuses the file.",
    )
    below: Flag | None = Field(
        default=None,
        description="Whether a plain name stands for all names below it, too. By default so in `domains`, `json` and "
        "`csv`, not so in `hosts`; the other formats say it themselves.",
    )
    categories: Annotated[tuple[Text, ...], Several(single=True)] | None = Field(
        default=None, description="Of `json` and `csv`: only names of these categories. All by default."
    )
    max: Annotated[int | None, optional(whole(1, 16_000_000))] = Field(
        default=None,
        description="Most entries; a longer list is refused. 2,000,000 addresses or 10,000,000 names by default. An "
        "IPv4 entry takes 8 bytes at most, a name 10.",
    )
    max_size: Annotated[int, size("1KiB", "1GiB")] = Field(
        default=parse_size("512MiB"), description="Bytes of the file at most; a larger one is refused."
    )
    sha256: Sha256 | None = Field(
        default=None, description="Digest of the content, in hexadecimal; anything else is refused."
    )
    refresh: Annotated[float, duration("1s", "30d")] = Field(
        default=parse_duration("24h"),
        description="Time between two requests for the URL, give or take a tenth. One that failed is repeated after a "
        "minute, then more and more seldom.",
    )
    through: Name | None = Field(
        default=None,
        description="Name of a forward listener of this configuration by which the URL is fetched, as any client of "
        "loopback. By default it is fetched directly.",
    )
    least: Annotated[int, whole(0, 16_000_000)] = Field(
        default=1, description="Fewest entries of what the URL gives; less is refused, and the former list stays."
    )
    shrink: Annotated[int, whole(0, 100)] = Field(
        default=50,
        description="By how many percent what the URL gives may have fewer entries than the list in force; one that "
        "shrank more is refused, and the former list stays.",
    )
    timeout: Annotated[float, duration("100ms", "1h")] = Field(
        default=parse_duration("5m"), description="Longest time of a request, from the look-up to the last byte."
    )

    @model_validator(mode="after")
    def _fits(self) -> SharedList:
        exactly_one(self, "file", "url")
        if self.url is None and (found := changed(self, *_OF_URL)):
            raise Refused("is of lists that are fetched, and this one is a file", "leave it out", at=found[0])
        if self.categories is not None and self.format not in ("json", "csv"):
            raise Refused(f"lists of the format {self.format} have no categories", "leave it out", at="categories")
        if self.below is not None and self.format in (ADDRESSES, "adblock", "rpz", SUFFIXES):
            raise Refused(f"has no meaning in the format {self.format}", "leave it out", at="below")
        return self

    @property
    def has_names(self) -> bool:
        """Whether it lists names, not addresses."""
        return self.format != ADDRESSES

    @property
    def most(self) -> int:
        """Entries at most."""
        return self.max if self.max is not None else _MOST_NAMES if self.has_names else _MOST_ADDRESSES

    @property
    def counts_below(self) -> bool:
        """Whether a plain name stands for those below it."""
        return self.format != "hosts" if self.below is None else self.below

    @property
    def source(self) -> str:
        """What its table is known by: two lists of the same file that read it alike have one."""
        place = self.url or self.file or ""
        if not self.has_names and self.sha256 is None:
            return place
        below = "+" if self.counts_below else ""
        return f"{self.format}{below} {','.join(self.categories or ())} {self.sha256 or ''} {place}"
