"""The subcommands of `limen`, one file each: `add(subparsers)` declares it, its function returns the exit status."""
