-- What drainage stations moved, day by day in Beijing time; months and years are sums.

CREATE TABLE drainage_day (
    run             integer NOT NULL,
    point_id        integer NOT NULL REFERENCES point ON DELETE RESTRICT,  -- the flow
    day             date NOT NULL,
    until           timestamptz NOT NULL,       -- what is counted of the day so far
    mixed_m3        double precision NOT NULL,  -- standard state
    pure_m3         double precision NOT NULL,
    covered_s       double precision NOT NULL,
    gap_s           double precision NOT NULL,  -- not covered, and not made up
    n_gaps          integer NOT NULL,
    n_samples       integer NOT NULL,
    atmosphere_kpa  double precision NOT NULL,  -- that it was computed with
    computed_at     timestamptz NOT NULL,
    PRIMARY KEY (run, point_id, day)
);
