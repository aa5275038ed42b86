"""The command line: the parser, and one place where errors become messages and exit statuses.

Exit status: 0 done, 1 it could not be done, 2 the command line or the configuration is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

import limen
from limen.control.client import NotRunning, Refused
from limen.control.commands import (
    ca,
    check,
    demo,
    drain,
    egress,
    endpoint,
    env,
    explain,
    forward,
    har,
    live,
    reload,
    reverse,
    run,
    schema,
    status,
    talkers,
    top,
)
from limen.errors import ConfigError, ConfigErrors, LimenError
from limen.runtime.crew import StartFailed
from limen.runtime.explain.asked import AskedWrongly

_COMMANDS = (
    run,
    check,
    reverse,
    forward,
    schema,
    reload,
    drain,
    endpoint,
    egress,
    status,
    top,
    live,
    talkers,
    explain,
    har,
    env,
    ca,
    demo,
)


class _Version(argparse.Action):
    """`--version`. The engine is loaded only when somebody asks: no other command waits for it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        from limen.engine.tls.contexts import library

        sys.stdout.write(f"limen {limen.__version__} (OpenSSL {library()})\n")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    made = argparse.ArgumentParser(
        prog="limen", description="One proxy server for both directions, forward and reverse, programmable in Python."
    )
    made.add_argument("--version", action=_Version, nargs=0, help="say which Limen this is, and which OpenSSL it uses")
    subparsers = made.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(subparsers)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status. The entry point of `limen`."""
    options = parser().parse_args(arguments)
    action: Callable[[argparse.Namespace], int] = options.action
    try:
        return action(options)
    except (ConfigError, ConfigErrors) as error:
        return _fail(str(error), status=2)
    except StartFailed as error:
        return _fail(str(error), status=error.status)
    except Refused as error:
        return _fail(str(error), status=2 if error.status in (400, 422) else 1)
    except AskedWrongly as error:
        return _fail(str(error), status=2)
    except (NotRunning, LimenError) as error:
        return _fail(str(error), status=1)
    except BrokenPipeError:
        # The reader of our output has seen enough (`limen schema | head`).
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return 130


def _fail(text: str, *, status: int) -> int:
    print(f"limen: {text}", file=sys.stderr)
    return status
