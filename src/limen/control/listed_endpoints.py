"""The check that `limen check` adds for discovery: lists of endpoints in files can be read, now.

A running instance makes do with what it had when a list is broken, so only whoever asks hears of it as an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from limen.config import Check, Config
from limen.config.findings import Finding
from limen.config.listing import Listing
from limen.config.models.upstreams import Discover
from limen.errors import ConfigErrors

_LARGEST = 64 * 1024 * 1024


def listed_endpoints(base: Path) -> Check:
    """The check for a configuration that lies in the directory `base`."""

    def check(config: Config) -> Iterator[Finding]:
        for name, upstream in config.upstreams.items():
            if upstream.discover is not None and upstream.discover.file is not None:
                place = ("upstreams", name, "discover", "file")
                yield from _findings(place, base / upstream.discover.file.path, upstream.discover)

    return check


def _findings(place: tuple[str, ...], path: Path, settings: Discover) -> Iterator[Finding]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            yield Finding(place, f"{path}: larger than 64 MiB", "give a shorter list")
            return
        listing = Listing(str(path), defaults=settings.defaults.written, most=settings.most)
        if not listing.yaml(content.decode("utf-8-sig")):
            yield Finding(place, f"{path}: the list is empty", "an empty list never takes endpoints away", warning=True)
    except FileNotFoundError:
        hint = "until it is there, the upstream has its other endpoints alone"
        yield Finding(place, f"{path}: there is no such file", hint, warning=True)
    except OSError as error:
        yield Finding(place, f"{path}: {(error.strerror or str(error)).lower()}", "mend the file")
    except UnicodeDecodeError:
        yield Finding(place, f"{path}: not UTF-8 text", "mend the file")
    except ConfigErrors as errors:
        for one in errors.errors:
            yield Finding(place, str(one), "mend the file")
