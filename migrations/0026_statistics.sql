-- Statistics read what was still on at the begin of a time: alarms by their end.
CREATE INDEX alarm_cleared ON alarm (run, cleared_at) WHERE cleared_at IS NOT NULL;
