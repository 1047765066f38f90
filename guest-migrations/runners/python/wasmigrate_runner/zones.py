"""IANA's time zones, which are a part of the component: there are no files that `zoneinfo` could read."""

import io
import zoneinfo
import zoneinfo._common
from pathlib import Path

# Where they are while the component is made.
DIRECTORY = Path(__file__).parent.parent / "zones"


def read():
    """Each zone by its name. Many are the same under several names, and are kept once."""
    contents = {}
    zones = {}
    for path in sorted(DIRECTORY.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if content.startswith(b"TZif"):
                zones[path.relative_to(DIRECTORY).as_posix()] = contents.setdefault(content, content)
    return zones


ZONES = read()


def opened(name):
    try:
        return io.BytesIO(ZONES[name])
    except KeyError:
        raise zoneinfo.ZoneInfoNotFoundError(f"there is no time zone {name!r}") from None


zoneinfo.reset_tzpath(to=())
zoneinfo._common.load_tzdata = opened
zoneinfo.available_timezones = lambda: set(ZONES)
