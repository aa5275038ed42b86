"""Cookies that Limen sets: their signed values and attributes, made once when a revision is compiled.

The value for an endpoint or a share is an HMAC of its name, cut to 128 bits: the same on every machine with the same
key, and after every reload and restart; it tells nobody what the name is. Nothing is signed or verified while requests
are served: a value that was not made here is in no table.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from limen.engine.cookies import Cookie

if TYPE_CHECKING:
    from limen.config.models.steering import SetCookie

_BYTES = 16
_NAME_DIGITS = 8


def sticky_cookie(cookie: SetCookie, upstream: str, labels: Sequence[bytes], secret: bytes) -> Cookie:
    """The cookie that keeps clients at an endpoint; `secret` signs where the configuration has no key."""
    named = ((b"sticky", upstream.encode(), label) for label in labels)
    return _made(cookie, _default_name((upstream,)), named, secret)


def split_cookie(cookie: SetCookie, upstreams: Sequence[str], secret: bytes) -> Cookie:
    """The cookie that keeps clients at their share: the same for all routes that split among the same upstreams."""
    named = ((b"split", upstream.encode()) for upstream in upstreams)
    return _made(cookie, _default_name(sorted(upstreams)), named, secret)


def token(key: bytes, parts: Sequence[bytes]) -> str:
    """The signed value for what `parts` name together: 22 characters."""
    message = b"".join(len(part).to_bytes(4) + part for part in parts)
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")[:_BYTES]).decode().rstrip("=")


def _made(cookie: SetCookie, default: str, named: Iterable[Sequence[bytes]], secret: bytes) -> Cookie:
    keys = [key.encode() for key in cookie.key] if cookie.key is not None else [secret]
    return Cookie(
        cookie.name or default,
        [[token(key, parts) for key in keys] for parts in named],
        plain=_attributes(cookie, secure=cookie.secure is True),
        sealed=_attributes(cookie, secure=cookie.secure is not False),
        hidden=cookie.hide,
    )


def _default_name(names: Iterable[str]) -> str:
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return f"limen_{digest[:_NAME_DIGITS]}"


def _attributes(cookie: SetCookie, *, secure: bool) -> str:
    words = [f"Path={cookie.path}"]
    words += [f"Domain={cookie.domain}"] if cookie.domain is not None else []
    words += [f"Max-Age={int(cookie.max_age)}"] if cookie.max_age is not None else []
    words += ["HttpOnly"] if cookie.http_only else []
    words += ["Secure"] if secure else []
    words.append(f"SameSite={cookie.same_site.capitalize()}")
    return "".join(f"; {word}" for word in words)
