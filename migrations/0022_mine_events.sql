-- What mines' own systems told of abnormal events: evidence beside what we judged.

CREATE TABLE mine_event (
    run         integer NOT NULL,
    mine_id     integer NOT NULL REFERENCES mine ON DELETE RESTRICT,
    system      char(2) NOT NULL,
    no          text NOT NULL,
    kind        char(3) NOT NULL,              -- 001 over-limit, 007 calibration, …
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,                   -- null: it lasts, as far as was told
    peak        double precision,
    peak_at     timestamptz,
    mean        double precision,
    cause       text NOT NULL DEFAULT '',
    measure     text NOT NULL DEFAULT '',
    entered_by  text NOT NULL DEFAULT '',
    first_told  timestamptz NOT NULL,          -- arrival
    last_told   timestamptz NOT NULL,
    n_told      integer NOT NULL DEFAULT 1,
    PRIMARY KEY (run, mine_id, system, no, kind, started_at)
);
CREATE INDEX mine_event_started ON mine_event (started_at);

-- Statistics of the mines' own systems that wait to be compared with the raw values.
CREATE TABLE mine_statistic (
    run         integer NOT NULL,
    mine_id     integer NOT NULL REFERENCES mine ON DELETE RESTRICT,
    system      char(2) NOT NULL,
    no          text NOT NULL,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    highest     double precision,
    lowest      double precision,
    mean        double precision,
    told_at     timestamptz NOT NULL,
    PRIMARY KEY (run, mine_id, system, no, started_at, ended_at)
);

-- Where a mine's word and its raw values differ, found again each time a day is looked at.
CREATE TABLE mine_difference (
    run       integer NOT NULL,
    mine_id   integer NOT NULL REFERENCES mine ON DELETE RESTRICT,
    day       date NOT NULL,                   -- Beijing
    kind      text NOT NULL,
    system    char(2) NOT NULL,
    no        text NOT NULL,                   -- '' when it is about several points
    at        timestamptz NOT NULL,
    until     timestamptz,
    ours      double precision,
    theirs    double precision,
    n         integer NOT NULL DEFAULT 1,
    found_at  timestamptz NOT NULL,
    PRIMARY KEY (run, mine_id, day, kind, system, no, at)
);
CREATE INDEX mine_difference_day ON mine_difference (day DESC);
