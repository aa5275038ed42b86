"""The two doors for operators: the admin address, and the control socket of the command line."""

from __future__ import annotations

from pydantic import Field, model_validator

from limen.config.models.section import Section
from limen.config.refusal import Refused
from limen.config.scalars import Bind, FilePath


class Admin(Section):
    """Metrics, status and API over HTTP."""

    bind: Bind = Field(
        description="Address, such as `127.0.0.1:9901`, or `unix:/path`. It has no login: keep it on loopback. Limen's "
        "own proxies never reach it."
    )


class Control(Section):
    """How `limen reload`, `drain`, `status` and `top` find the running instance."""

    socket: FilePath | None = Field(
        default=None,
        description="Path of a Unix socket (made with mode 0600), relative to the configuration file. By default "
        "derived from the path of the configuration, in $XDG_RUNTIME_DIR or /tmp/limen-UID.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Control:
        # sun_path of Linux holds 108 bytes with the closing zero.
        if self.socket is not None and len(self.socket.encode()) > 107:
            raise Refused("the socket path is too long", "at most 107 bytes", at="socket")
        return self
