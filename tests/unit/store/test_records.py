"""Records as rows."""

from __future__ import annotations

import pyarrow as pa

from fleetops.store.records import actions_table, events_table, findings_table, incidents_table
from fleetops_schemas.records import Event, Incident
from tests.contract.store_data import ACTION, EVENT, FINDING, INCIDENT, TIME


def test_events() -> None:
    [row] = events_table([EVENT]).to_pylist()
    assert Event.decode(row.pop("body").encode()) == EVENT
    assert row == {
        "id": "event-1",
        "time": TIME,
        "updated_at": TIME,
        "host": "node001",
        "device": "node001/gpu0",
        "device_class": "accelerator",
        "source": "kernel_log",
        "kind": "accelerator_fallen_off_bus",
        "code": 79,
        "severity": "critical",
        "text": EVENT.text,
    }
    unknown = EVENT.model_copy(update={"code": None})
    assert events_table([unknown]).column("code").null_count == 1


def test_findings_of_what_stands_beside_hosts() -> None:
    finding = FINDING.model_copy(update={"host": None, "job": None})
    [row] = findings_table([finding]).to_pylist()
    assert (row["host"], row["job"], row["status"]) == ("", "", "firing")


def test_incidents() -> None:
    rows = incidents_table([INCIDENT, INCIDENT.model_copy(update={"resolved_at": TIME})])
    assert rows.column("resolved_at").to_pylist() == [None, TIME]
    first = rows.to_pylist()[0]
    assert first["suspect_hosts"] == ["node001"]
    assert first["affected_hosts"] == ["node001", "node002"]
    assert (first["verdict"], first["action"]) == ("hardware", "drain_and_replace")
    assert Incident.decode(first["body"].encode()) == INCIDENT


def test_actions() -> None:
    [row] = actions_table([ACTION]).to_pylist()
    assert (row["state"], row["nodes"], row["epoch"]) == ("pending_approval", ["node001"], 3)
    by_hand = ACTION.model_copy(update={"incident_id": None})
    assert actions_table([by_hand]).column("incident_id").to_pylist() == [""]


def test_no_records() -> None:
    for table in (events_table([]), findings_table([]), incidents_table([]), actions_table([])):
        assert table.num_rows == 0
        assert table.schema.field("body").type == pa.string()
