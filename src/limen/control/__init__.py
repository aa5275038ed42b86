"""How people and programs rule an instance: the command line, the admin server, the client of the control socket.

Nouns: *command* (one file each), *admin server* (the doors of a supervisor: control socket and admin address),
*client* (speaks to a running instance over its control socket). Calls runtime and config; nobody calls it but the
user, through `limen` or `limen.run`.
"""
