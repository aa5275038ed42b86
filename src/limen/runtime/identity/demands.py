"""From `identities` and `identity` of a configuration to the engine's demands."""
# ruff: noqa: SLF001 - what one revision has made, the next one takes over

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from limen.engine.demand import Demand
from limen.errors import ConfigError
from limen.policy.identity.passwords import FileRefused
from limen.runtime.identity.provider import Chain, Member, Provider

if TYPE_CHECKING:
    from limen.config import Config
    from limen.config.models.identities import Bearer, Ldap, Negotiate
    from limen.config.models.identities import Demand as DemandModel
    from limen.config.models.identities import Provider as ProviderModel
    from limen.egress.resolver import Resolver
    from limen.runtime.identity.directory import DirectoryProvider

Files = Mapping[str, bytes]
"""Contents by path, of all files that identities name."""


class Demands:
    """Of one revision. Providers of which nothing has changed are those of the revision before, with what they know.

    `names` tells the resolver that is in force when a service is asked.
    """

    def __init__(self, config: Config, files: Files, previous: Demands | None, names: Callable[[], Resolver]) -> None:
        self._names = names
        self._models = config.identities
        self._files = files
        self._previous = previous
        self._members: dict[str, Member] = {}

    def settled(self) -> None:
        """All is built: what went before is let go."""
        self._previous = None

    def keeps(self, model: DemandModel | None) -> bool:
        """Whether what the revision before made of it still holds."""
        return model is None or all(self._keeps(name) for name in model.by)

    def _keeps(self, name: str) -> bool:
        before, model = self._previous, self._models[name]
        names = [name] if model.negotiate is None or model.negotiate.groups is None else [name, model.negotiate.groups]
        return (
            before is not None
            and all(before._models.get(one) == self._models[one] for one in names)
            and all(before._files.get(path) == self._files.get(path) for _, path in model.files)
        )

    def build(self, model: DemandModel | None, place: str, *, proxy: bool) -> Demand | None:
        """The demand of a listener or route that is called `place`. Raises ConfigError."""
        if model is None:
            return None
        members = tuple(self._member(name) for name in model.by)
        models = [self._models[name] for name in model.by]
        challenges = _challenges(models, model.realm, refused=False)
        return Demand(
            Chain(members, model.timeout, place, frozenset(model.parameters or ())),
            proxy=proxy,
            challenges=challenges,
            refusals=_challenges(models, model.realm, refused=True),
            required=model.required,
            certificate=any(one.certificate is not None or one.hook is not None for one in models),
            field=any(one.certificate is None for one in models),
            binders=[member for member, one in zip(members, models, strict=True) if one.negotiate is not None],
        )

    def _member(self, name: str) -> Member:
        if name not in self._members:
            before = self._previous
            if before is not None and name in before._members and self._keeps(name):
                self._members[name] = before._members[name]
            else:
                model = self._models[name]
                try:
                    provider = self._provider(model)
                except FileRefused as error:
                    raise ConfigError(f"identity {name}: {error}") from None
                groups: dict[str, tuple[str, ...]] = {}
                for group, names in model.groups.items():
                    for one in names:
                        groups[one] = (*groups.get(one, ()), group)
                self._members[name] = Member(name, provider, model.cache, groups, model.holds)
        return self._members[name]

    def _provider(self, model: ProviderModel) -> Provider:
        if model.ldap is not None:
            return _directory(model.ldap)
        if model.negotiate is None:
            return _simple(model, self._files, self._names)
        # (it is of this kind: limen.config.identities)
        directory = self._models[model.negotiate.groups].ldap if model.negotiate.groups is not None else None
        return _negotiate(model.negotiate, self._files, _directory(directory) if directory is not None else None)


def _challenges(models: list[ProviderModel], realm: str, *, refused: bool) -> list[str]:
    """In the order of the providers, each once (RFC 9110, 11.6.1). A certificate has no challenge: TLS asks for it."""
    bearer = f'Bearer realm="{realm}"' + (', error="invalid_token"' if refused else "")
    basic = f'Basic realm="{realm}", charset="UTF-8"'
    found: list[str] = []
    for model in models:
        if model.bearer is not None:
            found.append(bearer)
        elif model.negotiate is not None:
            found.append("Negotiate")
        elif model.certificate is None:
            found.append(basic)
    return list(dict.fromkeys(found))


def _simple(model: ProviderModel, files: Files, names: Callable[[], Resolver]) -> Provider:
    """Libraries are imported with the first provider that needs them: most workers need none."""
    if model.basic is not None:
        from limen.runtime.identity.basic import PasswordProvider

        return PasswordProvider.of(files[model.basic.file])
    if model.bearer is not None:
        return _bearer(model.bearer, files, names)
    if model.certificate is not None:
        from limen.runtime.identity.certificate import CertificateProvider

        return CertificateProvider(model.certificate.name)
    if model.check is not None:
        from limen.runtime.identity.check import CheckProvider

        check = model.check
        return CheckProvider(
            check.url, names=names, timeout=check.timeout, ca=check.ca, name=check.name, groups=check.groups
        )
    from limen.runtime.identity.hook import HookProvider

    return HookProvider.of(model.hook or "")


def _bearer(model: Bearer, files: Files, names: Callable[[], Resolver]) -> Provider:
    from limen.runtime.identity.bearer import Keys, KeySet, SignedTokenProvider, TokenProvider

    if model.tokens is not None:
        return TokenProvider.of(files[model.tokens])
    keys: Keys
    if model.keys is not None:
        keys = KeySet(files[model.keys])
    else:
        from functools import partial

        from limen.runtime.identity.check import fetched
        from limen.runtime.identity.fetched_keys import FetchedKeys

        keys = FetchedKeys(
            partial(fetched, model.url or "", names=names, timeout=model.timeout, ca=model.ca), refresh=model.refresh
        )
    return SignedTokenProvider(
        keys,
        issuer=model.issuer or "",
        audience=model.audience or (),
        algorithms=model.algorithms,
        leeway=model.leeway,
        name=model.name,
        groups=model.groups,
    )


def _negotiate(model: Negotiate, files: Files, directory: DirectoryProvider | None) -> Provider:
    try:
        from limen.runtime.identity.negotiate import NegotiateProvider
    except ImportError as error:
        raise ConfigError(f"`negotiate` needs {error.name}", hint="pip install 'limen[kerberos]'") from None
    return NegotiateProvider(
        files[model.keytab],
        service=model.service,
        realms=model.realms,
        strip_realm=model.strip_realm,
        groups=directory.groups_of if directory is not None else None,
    )


def _directory(model: Ldap) -> DirectoryProvider:
    try:
        from limen.runtime.identity.directory import Directory, DirectoryProvider, GroupSearch
    except ImportError as error:
        raise ConfigError(f"`ldap` needs {error.name}", hint="pip install 'limen[ldap]'") from None
    groups = model.groups
    return DirectoryProvider(
        Directory(
            url=model.url,
            start_tls=model.start_tls,
            ca=model.ca,
            dn=model.dn,
            base=model.base,
            find=model.find,
            bind_dn=model.bind_dn,
            bind_password=model.bind_password,
            groups=GroupSearch(groups.base, groups.find, groups.attribute) if groups is not None else None,
            timeout=model.timeout,
        )
    )
