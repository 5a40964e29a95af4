"""The role ``operate``: reads the scheduler, plans, asks, acts, and writes all of it down first."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from pydantic import ValidationError
from typing_extensions import override

from fleetops.bus.base import Bus, Message
from fleetops.bus.dead_letter import dead_letter
from fleetops.bus.view import View
from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.closing import Closing
from fleetops.core.config import OperateConfig, describe
from fleetops.core.errors import ConfigError, FleetOpsError, InputError
from fleetops.core.logging import get_logger
from fleetops.core.plugin import load
from fleetops.operate import planner
from fleetops.operate.breaker import Breaker
from fleetops.operate.driver import Driver
from fleetops.operate.executor import WAITING, Executor, open_nodes, outcome_of
from fleetops.operate.ledger import Book
from fleetops.operate.policy import PLANNER, FleetView, protected_nodes
from fleetops.operate.poller import Poller
from fleetops.operate.schedulers.base import Scheduler, SchedulerConfig
from fleetops_schemas.records import (
    Action,
    ActionState,
    Incident,
    IncidentStatus,
    Intent,
    IntentKind,
    Verdict,
)
from fleetops_schemas.topics import INCIDENTS, INTENTS
from fleetops_schemas.topology import Topology

GROUP = "operate"
CATCH_UP_SECONDS = 60.0
FLUSH_SECONDS = 10.0
POLL_SECONDS = 0.02
MAX_INTENTS = 100
"""Intents taken in one turn."""
MAX_ACTS = 16
"""Nodes acted on in one turn, so that intents and incidents are heard in between."""
HISTORY = timedelta(hours=1)
"""How far back the caps look; the cool-off may look further."""


def load_scheduler(config: OperateConfig, clock: Clock) -> Scheduler:
    """The scheduler that the configuration names.

    Raises:
        ConfigError: there is none of that name, or its options are wrong.
    """
    adapter = load("schedulers", config.scheduler)
    model: type[SchedulerConfig] = adapter.config_model  # type: ignore[attr-defined]
    try:
        options = model.model_validate(config.scheduler_options)
    except ValidationError as error:
        raise ConfigError(describe(error, "operate.scheduler_options")) from error
    scheduler: Scheduler = adapter.create(options, clock)  # type: ignore[attr-defined]
    return scheduler


class OperateService(Closing):
    """One instance of the role. A second one fences it: the older ends with FencedError."""

    name = "operate"

    def __init__(
        self,
        bus: Bus,
        scheduler: Scheduler,
        config: OperateConfig,
        topology: Topology,
        clock: Clock,
    ) -> None:
        """Takes the ledger over and reads what the bus holds; closes the scheduler in the end.

        Raises:
            ConfigError: ``policy.protected_nodes`` is no hostlist.
            BusUnavailableError: the bus did not answer.
        """
        try:
            protected_nodes(config)
        except InputError as error:
            raise ConfigError(f"operate.policy.protected_nodes: {error}") from error
        self._bus, self._scheduler, self._config = bus, scheduler, config
        self._topology, self._clock = topology, clock
        self._log = get_logger(self.name)
        self._driver: Driver | None = None
        self._breaker = Breaker(config.policy)
        self._hear_breaker()
        self._incidents = View(bus, INCIDENTS, Incident)
        self._incidents.catch_up(CATCH_UP_SECONDS)
        self._poller = Poller(bus, scheduler, clock)
        self._consumer = bus.consumer(GROUP, [INTENTS.name])
        self._producer = bus.producer()
        self._inbox: deque[Message] = deque()
        self._next_poll = clock.monotonic()
        self._tried: set[tuple[str, str]] = set()

    def turn(self) -> bool:
        """One round: hear, read, plan, act, commit."""
        driver = self._open_ledger()
        try:
            return self._turn(driver)
        except FleetOpsError:
            # Whatever is unclear now is read again from the log and decided anew.
            driver.close()
            self._driver = None
            raise

    @override
    def close(self) -> None:
        """Lets the ledger go and closes the scheduler."""
        for part in (self._driver, self._poller, self._consumer, self._producer, self._incidents):
            if part is not None:
                part.close()
        self._scheduler.close()

    def _turn(self, driver: Driver) -> bool:
        changed = bool(self._incidents.refresh())
        polled = self._poll_if_due()
        if changed or polled:
            self._weigh_breaker()
        heard = self._hear_intents(driver)
        if changed or polled or heard:
            self._review(driver)
            self._plan(driver)
        acted = self._act(driver)
        metrics.CONSUMER_LAG.labels(GROUP).set(self._consumer.lag())
        return changed or heard or acted

    def _hear_intents(self, driver: Driver) -> bool:
        # A message stays here until it was processed, whatever its turn runs into.
        self._inbox.extend(self._consumer.poll(POLL_SECONDS, MAX_INTENTS))
        heard = bool(self._inbox)
        while self._inbox:
            self._hear(self._inbox[0], driver)
            self._inbox.popleft()
        if heard:
            self._producer.flush(FLUSH_SECONDS)
            self._consumer.commit()
        return heard

    def _open_ledger(self) -> Driver:
        if self._driver is None:
            note = self._poller.note
            self._driver = Driver(self._bus, self._scheduler, self._clock, note)
            self._log.info("ledger opened", epoch=self._driver.ledger.epoch)
            for action_id in self._driver.ledger.book.displaced.copy():
                # A void record stands last and would be what compaction keeps: write ours again.
                action = self._driver.ledger.book.get(action_id)
                if action is not None:
                    self._record(self._driver, action)
        return self._driver

    def _record(self, driver: Driver, action: Action) -> Action:
        recorded = driver.run(driver.ledger.record(action))
        self._log.info(
            "action",
            action_id=recorded.id,
            kind=recorded.kind.value,
            target=recorded.target,
            state=recorded.state.value,
            decision=recorded.decision,
        )
        return recorded

    def _poll_if_due(self) -> bool:
        if self._clock.monotonic() < self._next_poll:
            return False
        self._poller.poll()
        self._next_poll = self._clock.monotonic() + self._config.poll_seconds
        self._tried.clear()
        return True

    def _hear_breaker(self) -> None:
        with self._bus.reader([INTENTS.name]) as reader:
            for message in reader.catch_up(CATCH_UP_SECONDS):
                intent = _intent(message)
                if intent is not None:
                    self._breaker.hear(intent, message.offset)
        metrics.BREAKER_TRIPPED.set(self._breaker.why is not None)

    def _weigh_breaker(self) -> None:
        if self._breaker.weigh(self._incidents.values()):
            now = self._clock.now()
            trip = Intent(
                id=f"breaker-{now:%Y%m%dT%H%M%S.%f}",
                created_at=now,
                kind=IntentKind.TRIP_BREAKER,
                reason=self._breaker.why or "",
                requested_by=PLANNER,
            )
            self._log.error("circuit breaker tripped", why=trip.reason)
            self._producer.send(INTENTS.name, trip.id, trip.encode())
            self._producer.flush(FLUSH_SECONDS)
        metrics.BREAKER_TRIPPED.set(self._breaker.why is not None)

    def _hear(self, message: Message, driver: Driver) -> None:
        intent = _intent(message)
        if intent is None:
            dead_letter(self._producer, message, "unparsable", "not an intent")
            return
        match intent.kind:
            case IntentKind.TRIP_BREAKER | IntentKind.RESET_BREAKER:
                self._breaker.hear(intent, message.offset)
            case IntentKind.APPROVE | IntentKind.DENY:
                self._answer(intent, driver)
            case IntentKind.DRAIN | IntentKind.UNDRAIN:
                for action in self._asked(intent, driver.ledger.book):
                    self._record(driver, action)

    def _asked(self, intent: Intent, book: Book) -> list[Action]:
        if self._poller.read_at is None:
            return planner.plan_blind(intent, self._fleet(book), book)
        return planner.plan_person(intent, self._fleet(book), book)

    def _answer(self, intent: Intent, driver: Driver) -> None:
        action = driver.ledger.book.get(intent.action_id or "")
        if action is None or action.state is not ActionState.PENDING_APPROVAL:
            found = "unknown" if action is None else action.state.value
            self._log.warning("nothing to answer", action_id=intent.action_id, state=found)
            return
        now = self._clock.now()
        if action.expires_at is not None and now > action.expires_at:
            self._record(driver, _expired(action))
        elif intent.kind is IntentKind.DENY:
            why = intent.reason or "denied"
            denied = planner.closed(action, ActionState.DENIED, intent.requested_by, why)
            self._record(driver, denied)
        else:
            fleet = self._fleet(driver.ledger.book)
            incident = self._incidents.get(action.incident_id or "")
            self._record(driver, planner.approve(action, intent, fleet, incident))

    def _review(self, driver: Driver) -> None:
        """Ends what is no longer wanted or has waited too long, before anything is carried out."""
        for action in driver.ledger.book.active():
            if any(outcome.attempts for outcome in action.outcomes):
                continue  # it may be done already: the executor looks first
            why = planner.withdrawn(action, self._incidents.get(action.incident_id or ""))
            pending = action.state is ActionState.PENDING_APPROVAL
            if why is not None:
                self._record(driver, planner.closed(action, ActionState.CANCELLED, "policy", why))
            elif pending and action.expires_at and self._clock.now() > action.expires_at:
                self._record(driver, _expired(action))
            elif pending and self._poller.error is None:
                self._reconsider(driver, action)

    def _reconsider(self, driver: Driver, action: Action) -> Action:
        """Judges what the policy decided for one node again; what people decided stands."""
        if action.decided_by != "policy" or action.target not in action.nodes:
            return action
        incident = self._incidents.get(action.incident_id or "")
        fleet = self._fleet(driver.ledger.book)
        again = planner.reconsidered(action, fleet, incident)
        return action if again is action else self._record(driver, again)

    def _plan(self, driver: Driver) -> None:
        if self._poller.read_at is None:
            return  # nothing is known of the nodes: incidents stay open and are planned later
        book = driver.ledger.book
        if self._poller.error is None:
            fleet = self._fleet(book)
            keeps_reason, read_at = self._scheduler.keeps_reason, self._poller.read_at
            for action in planner.noticed(fleet, read_at, book, keeps_reason=keeps_reason):
                self._record(driver, action)
        fleet = self._fleet(book)
        for incident in sorted(self._incidents.values(), key=_age):
            planned = planner.plan_incident(incident, fleet, book, self._breaker.reset_id)
            for action in planned:
                self._record(driver, action)
            if planned:
                fleet = self._fleet(book)

    def _act(self, driver: Driver) -> bool:
        """Takes open actions one step on, each node once a reading of the scheduler."""
        book, acted = driver.ledger.book, 0
        executor = Executor(driver.ledger, self._clock, self._config.reason_prefix)
        for action in book.active():
            if action.state is ActionState.PENDING_APPROVAL:
                continue
            for node in open_nodes(action):
                if (action.id, node) in self._tried or acted >= MAX_ACTS:
                    continue
                self._tried.add((action.id, node))
                acted += 1
                action = self._act_on(driver, executor, action, node)  # noqa: PLW2901
                if action.state.is_final or action.state is ActionState.PENDING_APPROVAL:
                    break
        return acted > 0

    def _act_on(self, driver: Driver, executor: Executor, action: Action, node: str) -> Action:
        if self._poller.error is not None:
            return driver.run(executor.wait(action, node, self._poller.error))
        incident = self._incidents.get(action.incident_id or "")
        started = outcome_of(action, node).attempts > 0
        if not started and (again := self._reconsider(driver, action)) is not action:
            return again
        objection = planner.objection(action, node, incident)
        done = driver.run(executor.carry_out(action, node, objection))
        outcome = outcome_of(done, node)
        self._log.info(
            "acted",
            action_id=done.id,
            node=node,
            state=outcome.state.value,
            detail=outcome.detail,
            waiting=outcome.detail.startswith(WAITING),
        )
        return done

    def _fleet(self, book: Book) -> FleetView:
        now = self._clock.now()
        cool_off = timedelta(seconds=self._config.policy.redrain_cool_off_seconds)
        since = now - max(HISTORY, cool_off)
        blamed = (
            host
            for incident in self._incidents.values()
            if incident.status is IncidentStatus.OPEN and incident.verdict is Verdict.HARDWARE
            for host in incident.suspect_hosts
        )
        return FleetView(
            now=now,
            config=self._config,
            nodes=self._poller.nodes,
            topology=self._topology,
            jobs=self._poller.jobs,
            actions=[a for a in book if not a.state.is_final or a.updated_at > since],
            suspects=frozenset(blamed),
            breaker=self._breaker.why,
        )


def _intent(message: Message) -> Intent | None:
    try:
        return Intent.decode(message.value)
    except ValidationError:
        return None


def _age(incident: Incident) -> tuple[datetime, str]:
    return incident.opened_at, incident.id


def _expired(action: Action) -> Action:
    why = "nobody answered in time"
    return planner.closed(action, ActionState.EXPIRED, "policy", why)
