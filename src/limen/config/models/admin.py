"""The two doors for operators: the admin address, and the control socket of the command line."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from limen.config.models.section import Section, Several
from limen.config.refusal import Refused
from limen.config.scalars import Bind, FilePath, Name, TargetHost, Text

TOKEN_LEAST = 16
PASSWORD_LEAST = 8


class Admin(Section):
    """The page, metrics, status and API over HTTP."""

    bind: Bind = Field(
        description="Address, such as `127.0.0.1:9901`, or `unix:/path`. Without `users` and `token` only clients of "
        "this machine are served. Limen's own proxies never reach it."
    )
    token: Text | None = Field(
        default=None,
        repr=False,
        description="Secret of at least 16 characters that scripts show as `Authorization: Bearer …`; best as "
        "`{file: path}` or `${ENV}`. With it, or with `users`, nobody is served without credentials but on the control "
        "socket.",
    )
    users: dict[Name, Text] | None = Field(
        default=None,
        repr=False,
        description="Names and passwords (at least 8 characters) for people at a browser (Basic authentication): "
        "`{ops: {file: ops.password}}`. After five wrong ones a client waits, longer each time.",
    )
    hosts: Annotated[tuple[TargetHost, ...], Several(single=True, empty=True)] = Field(
        default=(),
        description="Names by which browsers may ask for it, such as `limen.internal`. Loopback names always may, "
        "IP addresses with `users` or `token`; any other name is refused, as a page elsewhere could have made it up.",
    )

    @property
    def demands_credentials(self) -> bool:
        """Whether nobody is served without."""
        return self.token is not None or bool(self.users)

    @model_validator(mode="after")
    def _strong(self) -> Admin:
        if self.token is not None and len(self.token) < TOKEN_LEAST:
            raise Refused(
                "the token is too short", f"at least {TOKEN_LEAST} characters: `openssl rand -hex 32`", at="token"
            )
        for name, password in (self.users or {}).items():
            if ":" in name:
                raise Refused("a user's name has no colon", at=("users", name))
            if len(password) < PASSWORD_LEAST:
                raise Refused("the password is too short", f"at least {PASSWORD_LEAST} characters", at=("users", name))
        if self.users is not None and not self.users:
            raise Refused("`users` is empty", "name one, or leave the key out", at="users")
        return self


class Control(Section):
    """How `limen reload`, `drain`, `status`, `top` and `explain` find the running instance."""

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
