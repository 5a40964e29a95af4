-- What people ask first, by name, without FINAL and without JSON.

CREATE VIEW IF NOT EXISTS open_incidents AS
SELECT opened_at, severity, verdict, kind, cause_device, suspect_hosts, affected_hosts, title, id
FROM incidents FINAL
WHERE status = 'open'
ORDER BY opened_at DESC;

CREATE VIEW IF NOT EXISTS firing_findings AS
SELECT started_at, severity, kind, device, host, detector, summary, id
FROM findings FINAL
WHERE status = 'firing'
ORDER BY started_at DESC;

CREATE VIEW IF NOT EXISTS waiting_actions AS
SELECT created_at, kind, target, nodes, requested_by, incident_id, id
FROM actions FINAL
WHERE state = 'pending_approval'
ORDER BY created_at;
