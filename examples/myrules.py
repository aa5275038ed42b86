"""The hooks that hooks.yaml names. A hook takes the exchange and does to it what it has decided."""

from limen import Exchange

TENANTS = {"acme", "globex"}
KNOWN_HOSTS = ("example.com", "python.org")


def add_tenant(exchange: Exchange) -> None:
    """Tells the API whose request it is, by the first label of the host; others get 404."""
    tenant = exchange.request.host.partition(".")[0].lower()
    if tenant not in TENANTS:
        exchange.reply(404, "there is no such tenant\n")
        return
    # set, not added: whatever the client claimed is gone
    exchange.request.fields["X-Tenant"] = tenant


async def only_known_hosts(exchange: Exchange) -> None:
    """Lets a proxy's clients reach a few sites only. A coroutine might ask a database here: others go on meanwhile."""
    host = exchange.target[0] if exchange.target is not None else ""
    if not any(host == known or host.endswith("." + known) for known in KNOWN_HOSTS):
        exchange.reply(403, f"{host} is not among the sites that this proxy serves\n")
