"""One request and its responses, as Python sees them.

Nouns: the *exchange* with its request, response, target and state; its *fields*; a *hook* (a user's function
that receives an exchange in a phase) and a *chain* (the hooks of a route); the *handle* (what the engine
offers for one exchange). The worker loads chains and runs them when the engine asks.
"""

from limen.errors import BodyTooLarge, BodyTruncated
from limen.exchange.encryption import ClientCertificate, ClientTls
from limen.exchange.exchange import BodyUndeclared, Exchange, Handle, Place, Request, Response
from limen.exchange.fields import Fields
from limen.exchange.hooks import Chain, Hook, Outcome, hook, load_hook
from limen.exchange.identity import Credentials, Named, ShownCertificate

__all__ = [
    "BodyTooLarge",
    "BodyTruncated",
    "BodyUndeclared",
    "Chain",
    "ClientCertificate",
    "ClientTls",
    "Credentials",
    "Exchange",
    "Fields",
    "Handle",
    "Hook",
    "Named",
    "Outcome",
    "Place",
    "Request",
    "Response",
    "ShownCertificate",
    "hook",
    "load_hook",
]
