"""The typed client of the API, for the CLI and the pages. Safe to share between threads."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError
from typing_extensions import override

from fleetops.api.models import (
    Fleet,
    Health,
    HistoryEntry,
    Node,
    NodeDetail,
    NodeStatus,
    Page,
    Problem,
    Receipt,
    Series,
)
from fleetops.core.closing import Closing
from fleetops.core.config import ClientConfig, secret
from fleetops.core.errors import (
    ConfigError,
    FleetOpsError,
    InputError,
    NotFoundError,
    PermanentError,
    RefusedError,
    TemporaryError,
)
from fleetops_schemas.identity import InventoryDevice
from fleetops_schemas.records import (
    Action,
    ActionKind,
    ActionState,
    CollectorReport,
    Incident,
    IncidentStatus,
    Job,
    Severity,
)

M = TypeVar("M", bound=BaseModel)
Params = Mapping[str, Any]
PAGE = 1000
_BY_STATUS: Mapping[int, type[FleetOpsError]] = {
    400: InputError,
    401: RefusedError,
    403: RefusedError,
    404: NotFoundError,
    409: RefusedError,
    413: InputError,
    422: InputError,
    502: TemporaryError,
    503: TemporaryError,
    504: TemporaryError,
}


class Client(Closing):
    """Every call raises the errors of :mod:`fleetops.core.errors` with the API's own words.

    NotFoundError, InputError and RefusedError as the API found; TemporaryError when it, or
    something behind it, did not answer in time.
    """

    def __init__(self, config: ClientConfig) -> None:
        """Reads the token; connects to nothing.

        Raises:
            ConfigError: the URL, the token file or the CA file is wrong.
        """
        token = secret(config.token, config.token_file, "client.token")
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        if httpx.URL(config.url).scheme not in {"http", "https"}:
            raise ConfigError(f"client.url: {config.url!r} is no http(s) address")
        self._url = config.url.rstrip("/")
        self._http = httpx.Client(
            base_url=self._url,
            headers=headers,
            timeout=config.timeout_seconds,
            trust_env=False,  # neither a proxy nor a .netrc comes between
            transport=httpx.HTTPTransport(verify=_tls(config), retries=1),
        )

    def fleet(self) -> Fleet:
        """Everything the fleet page shows."""
        return self._get(Fleet, "/fleet")

    def nodes(
        self,
        *,
        state: NodeStatus | None = None,
        rack: str | None = None,
        job: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[Node]:
        """One page of nodes, by name."""
        query = {"state": state, "rack": rack, "job": job, "cursor": cursor, "limit": limit}
        return self._get(Page[Node], "/nodes", query)

    def all_nodes(
        self,
        *,
        state: NodeStatus | None = None,
        rack: str | None = None,
        job: str | None = None,
    ) -> Iterator[Node]:
        """Every node that matches, page after page."""
        return self._all(Page[Node], "/nodes", {"state": state, "rack": rack, "job": job})

    def node(self, name: str) -> NodeDetail:
        """One node with its incidents, actions, jobs, parents and collectors."""
        return self._get(NodeDetail, f"/nodes/{_part(name)}")

    def node_series(  # noqa: PLR0913 - one parameter a bound
        self,
        name: str,
        device_class: str,
        *,
        device: str | None = None,
        metrics: Iterable[str] = (),
        start: datetime | None = None,
        end: datetime | None = None,
        points: int = 300,
        extremes: bool = False,
    ) -> Series:
        """Series of a node's devices of one class; of the last 15 minutes unless told otherwise."""
        query = _series_query(device_class, device, metrics, (start, end), points)
        query["extremes"] = extremes
        return self._get(Series, f"/nodes/{_part(name)}/series", query)

    def series(  # noqa: PLR0913 - one parameter a bound
        self,
        device: str,
        device_class: str,
        *,
        metrics: Iterable[str] = (),
        start: datetime | None = None,
        end: datetime | None = None,
        points: int = 300,
        extremes: bool = False,
    ) -> Series:
        """Series of one device, also of those beside hosts (``cdu1``)."""
        query = _series_query(device_class, device, metrics, (start, end), points)
        query["extremes"] = extremes
        return self._get(Series, "/series", query)

    def history(
        self, name: str, *, cursor: str | None = None, limit: int = 100
    ) -> Page[HistoryEntry]:
        """One page of what happened to a node, newest first."""
        query = {"cursor": cursor, "limit": limit}
        return self._get(Page[HistoryEntry], f"/nodes/{_part(name)}/history", query)

    def incidents(
        self,
        *,
        status: IncidentStatus | None = None,
        severity: Severity | None = None,
        node: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[Incident]:
        """One page of incidents, newest first; ``severity`` is the least one wanted."""
        query = {
            "status": status,
            "severity": severity,
            "node": node,
            "cursor": cursor,
            "limit": limit,
        }
        return self._get(Page[Incident], "/incidents", query)

    def incident(self, incident_id: str) -> Incident:
        """One incident."""
        return self._get(Incident, f"/incidents/{_part(incident_id)}")

    def actions(  # noqa: PLR0913 - one parameter a filter
        self,
        *,
        state: ActionState | None = None,
        kind: ActionKind | None = None,
        node: str | None = None,
        intent: str | None = None,
        incident: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[Action]:
        """One page of actions, newest first."""
        query = {
            "state": state,
            "kind": kind,
            "node": node,
            "intent": intent,
            "incident": incident,
            "cursor": cursor,
            "limit": limit,
        }
        return self._get(Page[Action], "/actions", query)

    def all_actions(self, *, intent: str) -> Iterator[Action]:
        """Every action of one request."""
        return self._all(Page[Action], "/actions", {"intent": intent})

    def action(self, action_id: str) -> Action:
        """One action."""
        return self._get(Action, f"/actions/{_part(action_id)}")

    def request_action(
        self,
        kind: ActionKind,
        nodes: Iterable[str] | str,
        reason: str,
        *,
        dry_run: bool = False,
        incident_id: str | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Asks for a drain or an undrain of nodes (names, or a hostlist).

        The same ``key`` is the same request: after a TemporaryError ask again with the same one.
        """
        body = {
            "kind": kind,
            "nodes": nodes if isinstance(nodes, str) else list(nodes),
            "reason": reason,
            "dry_run": dry_run,
            "incident_id": incident_id,
        }
        return self._post(Receipt, "/actions", body, key)

    def approve(
        self,
        action_id: str,
        reason: str,
        *,
        nodes: Sequence[str] | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Approves a waiting action.

        ``nodes`` are those that the person saw: what the plan names beyond them is left out.
        """
        body = {"reason": reason, "nodes": None if nodes is None else list(nodes)}
        return self._post(Receipt, f"/actions/{_part(action_id)}/approve", body, key)

    def deny(self, action_id: str, reason: str, *, key: str | None = None) -> Receipt:
        """Denies a waiting action."""
        return self._post(Receipt, f"/actions/{_part(action_id)}/deny", {"reason": reason}, key)

    def reset_breaker(self, reason: str, *, key: str | None = None) -> Receipt:
        """Lets automation act again after the circuit breaker tripped."""
        return self._post(Receipt, "/breaker/reset", {"reason": reason}, key)

    def jobs(
        self, *, node: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[Job]:
        """One page of jobs, by id."""
        query = {"node": node, "cursor": cursor, "limit": limit}
        return self._get(Page[Job], "/jobs", query)

    def job(self, job_id: str) -> Job:
        """One job."""
        return self._get(Job, f"/jobs/{_part(job_id)}")

    def devices(
        self,
        *,
        host: str | None = None,
        conflicts: bool = False,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[InventoryDevice]:
        """One page of the inventory, by device."""
        query = {"host": host, "conflicts": conflicts, "cursor": cursor, "limit": limit}
        return self._get(Page[InventoryDevice], "/devices", query)

    def device(self, name: str) -> InventoryDevice:
        """One device of the inventory."""
        return self._get(InventoryDevice, f"/devices/{quote(name)}")

    def collectors(self, *, cursor: str | None = None, limit: int = 100) -> Page[CollectorReport]:
        """One page of the collectors' last heartbeats, by name."""
        query = {"cursor": cursor, "limit": limit}
        return self._get(Page[CollectorReport], "/collectors", query)

    def health(self) -> Health:
        """What the API sees of its dependencies."""
        return self._get(Health, "/health")

    @override
    def close(self) -> None:
        """Closes the connections; safe to call twice."""
        self._http.close()

    def _all(self, page: type[Page[M]], path: str, params: Params) -> Iterator[M]:
        cursor: str | None = None
        while True:
            got = self._get(page, path, {**params, "cursor": cursor, "limit": PAGE})
            yield from got.items
            cursor = got.next_cursor
            if cursor is None:
                return

    def _get(self, model: type[M], path: str, params: Params | None = None) -> M:
        given = {name: value for name, value in (params or {}).items() if value is not None}
        return self._call(model, "GET", path, params=given)

    def _post(self, model: type[M], path: str, body: Params, key: str | None) -> M:
        headers = {"Idempotency-Key": key or uuid4().hex}
        return self._call(model, "POST", path, json=body, headers=headers)

    def _call(self, model: type[M], method: str, path: str, **request: Any) -> M:  # noqa: ANN401
        try:
            response = self._http.request(method, f"/api/v1{path}", **request)
        except httpx.TimeoutException as error:
            raise TemporaryError(
                f"the API at {self._url} did not answer in time; try again, "
                "or raise client.timeout_seconds"
            ) from error
        except httpx.HTTPError as error:
            raise TemporaryError(
                f"the API at {self._url} cannot be reached: {error}; start it "
                "(`fleetops up` or `fleetops run api`) or mend client.url (--url)"
            ) from error
        if not response.is_success:
            raise self._error(response)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise PermanentError(
                f"{self._url}{path} answered something else than a FleetOps API would; "
                "is client.url right?"
            ) from error

    def _error(self, response: httpx.Response) -> FleetOpsError:
        kind = _BY_STATUS.get(response.status_code, PermanentError)
        try:
            detail = Problem.model_validate_json(response.content).detail
        except ValidationError:
            detail = ""
        return kind(
            detail
            or f"{self._url} answered {response.status_code} {response.reason_phrase}; "
            "is client.url the address of a FleetOps API?"
        )


def _tls(config: ClientConfig) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"client.ca_file: cannot use {config.ca_file}: {error}") from error


def _part(name: str) -> str:
    return quote(name, safe="")


def _series_query(
    device_class: str,
    device: str | None,
    metrics: Iterable[str],
    window: tuple[datetime | None, datetime | None],
    points: int,
) -> dict[str, Any]:
    start, end = window
    return {
        "class": device_class,
        "device": device,
        "metrics": list(metrics),
        "from": start.isoformat() if start else None,
        "to": end.isoformat() if end else None,
        "points": points,
    }
