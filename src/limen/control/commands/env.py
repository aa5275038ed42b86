"""`limen env FILE`: the variables by which programs of a shell use the proxy that a configuration describes."""

from __future__ import annotations

import argparse
import shlex

from limen.config import read
from limen.control.commands.parsers import Subparsers
from limen.errors import ConfigError
from limen.policy.pac import variables

SHELLS = ("sh", "fish", "powershell")


def add(subparsers: Subparsers) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "env",
        help="print the shell variables of a proxy",
        description="Prints http_proxy, https_proxy, all_proxy and no_proxy for a forward listener of FILE: "
        'eval "$(limen env FILE)". The same in capitals, because some programs read only these.',
    )
    parser.add_argument("file", metavar="FILE", help="the configuration (YAML)")
    parser.add_argument("--listener", metavar="NAME", help="its name or bind; by default the first that is a proxy")
    parser.add_argument("--shell", choices=SHELLS, default="sh", help="how to write them (default: sh)")
    parser.add_argument("--unset", action="store_true", help="take them away instead")
    parser.set_defaults(action=run)


def run(options: argparse.Namespace) -> int:
    """Prints one line per variable. Raises ConfigError when there is no such proxy."""
    config = read(options.file).config
    for listener in config.listeners:
        if options.listener in (None, listener.label, str(listener.bind)):
            found = variables(listener)
            if found:
                break
    else:
        wanted = f"the listener {options.listener}" if options.listener else "any listener"
        raise ConfigError(f"{wanted} is no proxy that programs could be told of", hint="it needs `forward` or `socks`")
    for name, value in found.items():
        for spelled in (name, name.upper()):
            print(line(spelled, None if options.unset else value, options.shell))
    return 0


def line(name: str, value: str | None, shell: str) -> str:
    """A command that sets (None: takes away) a variable."""
    if shell == "fish":
        return f"set -e {name}" if value is None else f"set -gx {name} {shlex.quote(value)}"
    if shell == "powershell":
        quoted = "'" + (value or "").replace("'", "''") + "'"
        return f"Remove-Item Env:{name}" if value is None else f"$Env:{name} = {quoted}"
    return f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
