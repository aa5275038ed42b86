"""Health of endpoints, in the supervisor: probes, outliers and settings go in, the board's words come out.

    probes --findings--> verdicts ---\
    board --runs, counts--> outliers --+--> standings --> relief --> words on the board --> balancers of all workers
    admin API, command line ---------/

Everything runs on the supervisor's loop. A standing lives as long as the revision in force has its endpoint. Words are
written for a whole upstream at a time, then the epoch is raised once; changes that come together are told together.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limen.config.models.egress import GROUP
from limen.egress import panic
from limen.egress.outliers import Counts, Outliers
from limen.egress.probes.names import Names
from limen.egress.probes.question import question_by, question_of
from limen.egress.probes.schedule import Schedule
from limen.egress.probes.verdict import Verdict
from limen.egress.standing import LOAD_STEP, Setting, Standing
from limen.errors import LimenError
from limen.observe.board import EndpointCell, HealthFlag
from limen.runtime.names import ENDPOINT, endpoint_name
from limen.runtime.passages import by_way

if TYPE_CHECKING:
    from limen.config.models.upstreams import Endpoint, Upstream
    from limen.egress.probes.asking import Finding
    from limen.egress.probes.question import Encryption, Question
    from limen.runtime.estate import Estate
    from limen.runtime.metrics import SharedBoard

_log = logging.getLogger("limen.health")

# Seconds between two looks at the alarm: runs of failures are acted on within this time.
TICK = 0.05
# Seconds that findings are gathered before words are told, and how many times as long as telling took the last time: an
# upstream may have ten thousand endpoints.
_BREATH = 0.02
_BREATHS = 4.0
# By how much weights are told larger in an upstream whose endpoints report their load.
_LOAD_SCALE = 20
_SILENCE = (0, 0, 0)


class UnknownEndpoint(LimenError):
    """No upstream of this name, or no such endpoint in it; the text says which there are."""


class SettingRefused(LimenError):
    """What was to be set at run time cannot be; the text says why."""


@dataclass(slots=True)
class Seat:
    """One endpoint of the revision in force."""

    name: str
    upstream: str
    endpoint: Endpoint
    slot: int
    standing: Standing


@dataclass(slots=True)
class Group:
    """One upstream of the revision in force."""

    name: str
    model: Upstream
    seats: dict[str, Seat]
    """By address."""
    outliers: Outliers | None = None
    interval_ends: float = 0.0
    relief: panic.Relief = panic.NONE


class Health:
    """Of all endpoints of an instance, from its start to its end."""

    def __init__(self, board: SharedBoard, workers: int) -> None:
        self.barred: Callable[[], None] | None = None
        """Called when an endpoint was drained or disabled, with the board telling so already."""
        self.board = board
        self.workers = workers
        self.groups: dict[str, Group] = {}
        self._seats: dict[str, Seat] = {}
        self._words: dict[int, tuple[int, int, int]] = {}
        # by slot: flags, weight, since
        self._untold: set[str] = set()
        self._telling: asyncio.TimerHandle | None = None
        self._breath = _BREATH
        self._alarm = 0
        self._names: Names | None = None
        self._schedule: Schedule | None = None
        self._ticking: asyncio.Task[None] | None = None

    # -- revisions

    def settle(self, estate: Estate) -> None:
        """This estate comes into force: its endpoints are judged from now on. Call it before workers choose by it.

        Endpoints that stay keep their standing, their probe's turn and what was set at run time.
        """
        config = estate.revision.config
        is_first = not self.groups
        slots = estate.slots.active.get(ENDPOINT, {})
        before, self._seats, groups = self._seats, {}, {}
        for name, model in config.groups.items():
            group = Group(name, model, {})
            for endpoint in model.endpoints:
                key = endpoint_name(name, endpoint.address)
                standing = before[key].standing if key in before else _new_standing(is_first=is_first)
                seat = Seat(key, name, endpoint, slots[key], standing)
                self._seats[key] = group.seats[str(endpoint.address)] = seat
            self._settle_outliers(group)
            groups[name] = group
        self.groups = groups
        self._settle_probes(estate)
        for slot in self._words.keys() - {seat.slot for seat in self._seats.values()}:
            # its next name begins with nothing
            self.board.tell_health(slot, flags=0, weight=0, since=0)
            del self._words[slot]
        self._tell(self.groups)
        self._tick_if_needed()

    def _settle_outliers(self, group: Group) -> None:
        settings = group.model.outlier
        before = self.groups.get(group.name)
        if settings is not None:
            group.outliers = before.outliers if before is not None else None
            if group.outliers is None:
                group.outliers = Outliers(settings)
            group.interval_ends = before.interval_ends if before is not None else 0.0
            group.outliers.settle(settings, group.seats)
            group.outliers.barred = frozenset(key for key, seat in group.seats.items() if seat.standing.barred)
        for address, seat in group.seats.items():
            seat.standing.record = group.outliers.records[address] if group.outliers is not None else None
        if before is not None:
            group.relief = before.relief

    def _settle_probes(self, estate: Estate) -> None:
        config = estate.revision.config
        questions: dict[str, Question] = {}
        for name, group in self.groups.items():
            probe = group.model.probe
            encryption = self._encryption(estate, name) if probe is not None else None
            for seat in group.seats.values():
                standing = seat.standing
                if probe is None or probe.load is None:
                    standing.load = None
                if probe is None:
                    standing.verdict = standing.finding = None
                    continue
                if standing.verdict is None:
                    standing.verdict = Verdict(probe.rise, probe.fall)
                standing.verdict.rise, standing.verdict.fall = probe.rise, probe.fall
                standing.initially_down = probe.initial == "down"
                way = by_way(config, name, seat.endpoint.address, encryption)
                if way is not None:
                    questions[seat.name] = question_by(probe, *way)
                else:
                    questions[seat.name] = question_of(probe, group.model, seat.endpoint.address, encryption)
        if self._names is None or self._names.settings != config.resolver:
            self._names = Names(config.resolver)
        if self._schedule is None and questions:
            self._schedule = Schedule(self._resolve, self._take_finding)
        if self._schedule is not None:
            self._schedule.settle(questions)

    def _encryption(self, estate: Estate, name: str) -> Encryption | None:
        """Of probes; the library that it needs is loaded with the first."""
        model = estate.revision.config.groups[name]
        needed = model.probe is not None and not model.probe.plain and model.probe.type != "tcp"
        needed = needed or (model.tls is not None and name.startswith(GROUP))
        if not needed or (model.tls is None and model.probe is not None and model.probe.type != "tls"):
            return None
        from limen.egress.probes.encryption import encryption_of, unverified

        return encryption_of(name, model.tls, estate.revision.material) if model.tls is not None else unverified()

    def _tell_no_more(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    async def _resolve(self, host: str) -> Sequence[str]:
        assert self._names is not None  # noqa: S101 settled before anything is probed
        return await self._names.resolve(host)

    async def close(self) -> None:
        """Ends probes and ticks."""
        self._tell_no_more()
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        if self._schedule is not None:
            await self._schedule.close()

    # -- probes

    def _take_finding(self, name: str, finding: Finding) -> None:
        seat = self._seats.get(name)
        verdict = seat.standing.verdict if seat is not None else None
        if seat is None or verdict is None:
            return
        standing = seat.standing
        standing.finding = finding
        standing.probes += 1
        standing.probes_failed += not finding.passed
        if finding.load is not None:
            load = round(finding.load / LOAD_STEP) * LOAD_STEP
            if load != standing.load:
                standing.load = load
                self._tell_soon(seat.upstream)
        was_down = standing.down
        if not verdict.take(passed=finding.passed):
            return
        standing.verdict_at = finding.at
        if standing.down == was_down:
            return
        if standing.down:
            _log.warning("endpoint %s is down: %s", name, finding.reason)
            standing.fell_since_ejection = True
        else:
            _log.info("endpoint %s is up: %s", name, finding.reason)
            if standing.ejected and standing.fell_since_ejection:
                self._recall(seat)
        self._tell_soon(seat.upstream)

    def _recall(self, seat: Seat) -> None:
        """The probe has seen it fall and come back: what it was ejected for is over."""
        outliers = self.groups[seat.upstream].outliers
        assert outliers is not None  # noqa: S101 it is ejected
        outliers.recall(str(seat.endpoint.address), time.monotonic())
        self.board.end_run(seat.slot)
        _log.info("endpoint %s is no longer ejected: its probe found it down, and up again", seat.name)

    # -- outliers

    def _tick_if_needed(self) -> None:
        needed = any(group.outliers is not None for group in self.groups.values())
        if needed and self._ticking is None:
            self._ticking = asyncio.get_running_loop().create_task(self._tick())
        elif not needed and self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            try:
                self.judge(time.monotonic())
            except Exception:  # noqa: BLE001 whatever it is, the next tick must come
                _log.exception("outliers could not be judged")

    def judge(self, now: float) -> None:
        """What is due at the monotonic time `now`: ends of ejections, runs that were cried out, intervals."""
        alarm = self.board.alarm()
        cried, self._alarm = alarm != self._alarm, alarm
        changed = [
            name
            for name, group in self.groups.items()
            if group.outliers is not None and self._judge(group, group.outliers, now, cried=cried)
        ]
        if changed:
            self._tell(changed)

    def _judge(self, group: Group, outliers: Outliers, now: float, *, cried: bool) -> bool:
        back = outliers.end(now)
        for address in back:
            self.board.end_run(group.seats[address].slot)
            _log.info("endpoint %s is no longer ejected", group.seats[address].name)
        gone: list[str] = []
        if cried:
            runs = self.board.runs(seat.slot for seat in group.seats.values())
            gone += outliers.judge_runs({key: runs[seat.slot] for key, seat in group.seats.items()}, now)
        if now >= group.interval_ends:
            group.interval_ends = now + outliers.settings.interval
            if outliers.settings.error_rate is not None or outliers.settings.slow is not None:
                gone += outliers.judge_interval(self._counts(group), now)
        for address in gone:
            self._note_ejection(group.seats[address])
        return bool(back or gone)

    def _counts(self, group: Group) -> dict[str, Counts]:
        cells = self.board.endpoints(seat.slot for seat in group.seats.values())
        return {
            key: Counts(
                cells[seat.slot][EndpointCell.REQUESTS],
                cells[seat.slot][EndpointCell.FAILURES],
                cells[seat.slot][EndpointCell.RESPONSES],
                cells[seat.slot][EndpointCell.NANOSECONDS],
            )
            for key, seat in group.seats.items()
        }

    def _note_ejection(self, seat: Seat) -> None:
        standing, record = seat.standing, seat.standing.record
        assert record is not None  # noqa: S101 it was just ejected
        standing.ejected_at = time.time()
        standing.ejected_until = standing.ejected_at + record.length
        standing.fell_since_ejection = standing.down
        self.board.end_run(seat.slot)
        _log.warning("endpoint %s is ejected for %g s: %s", seat.name, record.length, record.reason)

    # -- settings at run time

    def seat(self, upstream: str, address: str) -> Seat:
        """The endpoint of this address, as it is written in the configuration or by its port alone. UnknownEndpoint."""
        group = self.groups.get(upstream)
        if group is None:
            raise UnknownEndpoint(f"no upstream is called {upstream!r}; there are: {_listed(self.groups)}")
        seat = group.seats.get(address)
        if seat is None:
            raise UnknownEndpoint(f"{upstream} has no endpoint {address!r}; it has: {_listed(group.seats)}")
        return seat

    def set_state(self, upstream: str, address: str, setting: Setting) -> Seat:
        """Drains, disables or enables an endpoint. Raises UnknownEndpoint."""
        seat = self.seat(upstream, address)
        if seat.standing.setting is not setting:
            seat.standing.setting = setting
            seat.standing.set_at = time.time()
            _log.warning("endpoint %s is %s at run time", seat.name, setting.value)
            self._settle_barred(upstream)
            self._tell([upstream])
            if setting is not Setting.ENABLED and self.barred is not None:
                self.barred()
        return seat

    def set_weight(self, upstream: str, address: str, weight: int | None) -> Seat:
        """Gives an endpoint another weight, None the configured one. Raises UnknownEndpoint, SettingRefused."""
        seat = self.seat(upstream, address)
        if weight is not None and not 1 <= weight <= 65535:
            raise SettingRefused(f"a weight is 1 to 65535, not {weight}; to take an endpoint out, drain it")
        if seat.standing.weight != weight:
            seat.standing.weight = weight
            text = str(weight) if weight is not None else f"{seat.endpoint.weight}, as configured"
            _log.warning("endpoint %s has weight %s at run time", seat.name, text)
            self._tell([upstream])
        return seat

    def _settle_barred(self, upstream: str) -> None:
        group = self.groups[upstream]
        if group.outliers is not None:
            group.outliers.barred = frozenset(key for key, seat in group.seats.items() if seat.standing.barred)

    def settings(self) -> dict[str, dict[str, object]]:
        """What was set at run time, by endpoint: for a successor of a handover."""
        return {
            name: {"setting": standing.setting.value, "set_at": standing.set_at, "weight": standing.weight}
            for name, seat in self._seats.items()
            if (standing := seat.standing).barred or standing.weight is not None
        }

    def adopt(self, settings: Mapping[str, Mapping[str, object]]) -> None:
        """Takes over what a predecessor's `settings` gave, as far as the endpoints are there."""
        for name, values in settings.items():
            seat = self._seats.get(name)
            if seat is not None:
                seat.standing.setting = Setting(str(values["setting"]))
                seat.standing.set_at = float(str(values["set_at"]))
                seat.standing.weight = int(str(values["weight"])) if values["weight"] is not None else None
        for upstream in self.groups:
            self._settle_barred(upstream)
        self._tell(self.groups)

    # -- words

    def _tell_soon(self, upstream: str) -> None:
        self._untold.add(upstream)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(self._breath, self.tell_now)

    def tell_now(self) -> None:
        """Has what was found be in force, if it is not yet: before it is shown."""
        self._tell_no_more()
        began = time.monotonic()
        untold, self._untold = self._untold, set()
        self._tell(name for name in untold if name in self.groups)
        self._breath = max(_BREATH, _BREATHS * (time.monotonic() - began))

    def _tell(self, upstreams: Iterable[str]) -> None:
        """Puts on the board what has changed of these, and has balancers look at it."""
        changed = False
        for group in [self.groups[name] for name in upstreams]:
            self._relieve(group)
            for seat in group.seats.values():
                word = self._word(seat)
                if word != self._words.get(seat.slot, _SILENCE):
                    flags, weight, since = self._words[seat.slot] = word
                    self.board.tell_health(seat.slot, flags=flags, weight=weight, since=since)
                    changed = True
        if changed:
            self.board.raise_epoch()

    def _word(self, seat: Seat) -> tuple[int, int, int]:
        standing = seat.standing
        flags = HealthFlag(0)
        for flag, applies in (
            (HealthFlag.DOWN, standing.down),
            (HealthFlag.EJECTED, standing.ejected),
            (HealthFlag.DRAINING, standing.setting is Setting.DRAINING),
            (HealthFlag.DISABLED, standing.setting is Setting.DISABLED),
            (HealthFlag.PANIC, standing.panics),
            (HealthFlag.CALLED, standing.called),
        ):
            if applies:
                flags |= flag
        is_used = not standing.barred and (standing.well or standing.panics)
        was, _, _ = self._words.get(seat.slot, _SILENCE)
        was_used = not was & (HealthFlag.DRAINING | HealthFlag.DISABLED) and (
            not was & (HealthFlag.DOWN | HealthFlag.EJECTED) or bool(was & HealthFlag.PANIC)
        )
        was_well = not was & (HealthFlag.DOWN | HealthFlag.EJECTED)
        if is_used and (not was_used or (standing.well and not was_well)):
            # workers forget that they could not dial it
            self.board.end_out(seat.slot)
            standing.returned = time.monotonic_ns()
            standing.returned_at = time.time()
        probe = self.groups[seat.upstream].model.probe
        if probe is not None and probe.load is not None:
            # all of the upstream in the same measure, so that parts of a weight of 1 can be told
            return int(flags), standing.weight_in_force(seat.endpoint.weight, scale=_LOAD_SCALE), standing.returned
        return int(flags), standing.weight or 0, standing.returned

    def _relieve(self, group: Group) -> None:
        before = group.relief
        group.relief = found = panic.relief(
            (
                panic.Member(
                    seat.endpoint.priority,
                    seat.endpoint.backup,
                    seat.standing.weight or seat.endpoint.weight,
                    seat.standing.well,
                    seat.standing.barred,
                )
                for seat in group.seats.values()
            ),
            panic_below=group.model.panic_below,
            spill_below=group.model.spill_below,
        )
        for seat in group.seats.values():
            standing, backup = seat.standing, seat.endpoint.backup
            doubtful = found.backups if backup else seat.endpoint.priority in found.priorities
            standing.panics = doubtful and not standing.well
            standing.called = backup and found.called and standing.well
        if found.panics and not before.panics:
            _log.warning("upstream %s panics: too few endpoints are well, so all are used", group.name)
        elif before.panics and not found.panics:
            _log.info("upstream %s panics no longer", group.name)


def _new_standing(*, is_first: bool) -> Standing:
    """Of an endpoint that comes new: with a reload it starts slowly, with the instance it does not."""
    now = time.time()
    if is_first:
        return Standing(added=now)
    return Standing(added=now, returned=time.monotonic_ns(), returned_at=now)


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:20]) + (", ..." if len(known) > 20 else "") if known else "none"
