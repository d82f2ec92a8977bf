-- Pre-warnings, what became of them, and what only a mine itself is told.

-- What a mine is told and nobody above it: pre-warnings are help, not alarms.
ALTER TABLE outbox ADD COLUMN mine_only boolean NOT NULL DEFAULT false;

-- Every pre-warning, and beside it what the two baselines would have said with the
-- same budget of false alarms. Outcomes come from the stored readings.
CREATE TABLE forecast (
    run          integer NOT NULL REFERENCES run ON DELETE RESTRICT,
    point_id     integer NOT NULL REFERENCES point ON DELETE RESTRICT,
    model        text NOT NULL CHECK (model IN ('forecast', 'ewma_1min', 'last_value')),
    raised_at    timestamptz NOT NULL,   -- event time
    limit_value  double precision NOT NULL,
    horizon_s    integer NOT NULL,       -- it says: newly reached within this time
    probability  double precision NOT NULL,
    threshold    double precision NOT NULL,
    last_value   double precision NOT NULL,  -- what the baselines looked at then
    ewma_1min    double precision NOT NULL,
    advisory     boolean NOT NULL,
    recorded_at  timestamptz NOT NULL,
    outcome      text CHECK (outcome IN ('hit', 'false', 'unknown')),
    lead_s       double precision,
    judged_at    timestamptz,            -- when the outcome was found
    PRIMARY KEY (run, point_id, model, raised_at),
    CHECK ((outcome = 'hit') = (lead_s IS NOT NULL) OR outcome IS NULL)
);
CREATE INDEX forecast_undecided ON forecast (run, raised_at)
    WHERE outcome IS NULL OR outcome = 'unknown';
CREATE INDEX forecast_raised ON forecast (run, raised_at);

-- Every new reaching of the limit at a forecast point, warned of or not.
CREATE TABLE forecast_onset (
    run          integer NOT NULL REFERENCES run ON DELETE RESTRICT,
    point_id     integer NOT NULL REFERENCES point ON DELETE RESTRICT,
    at           timestamptz NOT NULL,
    limit_value  double precision NOT NULL,
    PRIMARY KEY (run, point_id, at)
);
CREATE INDEX forecast_onset_at ON forecast_onset (run, at);

-- From when to when the readings were searched for onsets.
CREATE TABLE forecast_search (
    run        integer PRIMARY KEY REFERENCES run ON DELETE RESTRICT,
    begun_at   timestamptz NOT NULL,
    done_to    timestamptz NOT NULL
);
