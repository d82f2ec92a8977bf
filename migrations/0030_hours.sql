-- Hours of points, gathered: what a curve of months is drawn from. Kept for longer than
-- the raw readings. Exact: n, low and high are those of the hour's readings.

CREATE TABLE reading_hour (
    at        timestamptz NOT NULL,      -- the hour's begin
    low       double precision,          -- of good readings; null: none was good
    high      double precision,
    total     double precision,          -- their sum
    point_id  integer NOT NULL,
    n         integer NOT NULL,          -- good readings
    n_all     integer NOT NULL,
    n_tested  integer NOT NULL,          -- under calibration
    PRIMARY KEY (point_id, at)
);

-- How far gathering has come. What is stored of an hour before closed_until must be
-- noted in reading_hour_late by who stores it; hours before gathered_until are gathered.
CREATE TABLE reading_hour_state (
    is_only         boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    closed_until    timestamptz NOT NULL,
    closed_xid      xid8,                -- all that began before it was closed are below
    gathered_until  timestamptz NOT NULL,
    next_point      integer NOT NULL DEFAULT 0
);

-- Hours that got readings after they were closed, to be gathered again.
CREATE TABLE reading_hour_late (
    point_id  integer NOT NULL,
    at        timestamptz NOT NULL,
    n_times   integer NOT NULL DEFAULT 1,
    PRIMARY KEY (point_id, at)
);
