-- Who is who: areas, mines, units, points and their versioned attributes.

CREATE TABLE platform (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Changes when a database is restored: positions of the old life are refused.
    epoch        uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at   timestamptz NOT NULL DEFAULT now(),
    restored_at  timestamptz,
    -- Length of a partition (or chunk) of readings and frames. Retention gives space
    -- back by whole partitions: a cap smaller than a day's data needs shorter ones.
    partition_hours  smallint NOT NULL DEFAULT 24
                     CHECK (partition_hours IN (1, 2, 3, 4, 6, 8, 12, 24))
);
INSERT INTO platform DEFAULT VALUES;

CREATE TABLE run (
    run         integer PRIMARY KEY,   -- 0 is live; every drill has its own
    name        text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz
);
INSERT INTO run (run, name) VALUES (0, 'live');

CREATE TABLE area (
    code      char(6) PRIMARY KEY,     -- GB/T 2260
    slug      text NOT NULL UNIQUE,
    name_zh   text NOT NULL,
    name_en   text NOT NULL,
    platform  text NOT NULL DEFAULT '' CHECK (platform IN ('', 'county', 'city'))
);

CREATE TABLE mine (
    mine_id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code            char(12) NOT NULL UNIQUE CHECK (code ~ '^[0-9]{12}$'),
    area_code       char(6) NOT NULL REFERENCES area ON DELETE RESTRICT,
    name            text NOT NULL DEFAULT '',
    kind            text NOT NULL DEFAULT 'unknown'
                    CHECK (kind IN ('low_gas', 'high_gas', 'outburst', 'unknown')),
    atmosphere_kpa  double precision,
    definition_rev  bigint,
    provisional     boolean NOT NULL DEFAULT false,  -- heard of, never defined
    created_at      timestamptz NOT NULL,
    retired_at      timestamptz,
    CHECK (left(code, 6) = area_code)
);
CREATE INDEX mine_area ON mine (area_code);

CREATE TABLE unit (
    unit_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mine_id     integer NOT NULL REFERENCES mine ON DELETE RESTRICT,
    slug        text NOT NULL,
    kind        text NOT NULL DEFAULT 'other'
                CHECK (kind IN ('face', 'heading', 'return', 'drainage', 'other')),
    name        text NOT NULL DEFAULT '',
    retired_at  timestamptz,
    UNIQUE (mine_id, slug)
);

CREATE TABLE point (
    point_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mine_id      integer NOT NULL REFERENCES mine ON DELETE RESTRICT,
    system       char(2) NOT NULL CHECK (system IN ('01', '02')),
    no           varchar(8) NOT NULL CHECK (no <> ''),
    provisional  boolean NOT NULL DEFAULT false,     -- sends, but is not defined
    created_at   timestamptz NOT NULL,
    retired_at   timestamptz,
    UNIQUE (mine_id, system, no)
);

-- Attributes of a point from a moment on; the reading's own time chooses the row.
CREATE TABLE point_version (
    point_id           integer NOT NULL REFERENCES point ON DELETE RESTRICT,
    effective_from_us  bigint NOT NULL,              -- µs UTC; 0 = since ever
    rev                bigint,                       -- the mine's own revision
    sensor_type        char(4) NOT NULL DEFAULT '0000',
    value_kind         char(2) NOT NULL DEFAULT 'MN'
                       CHECK (value_kind IN ('MN', 'KG', 'LJ', 'DT')),
    quantity           text NOT NULL DEFAULT 'UNKNOWN',
    place_class        text,
    place              text NOT NULL DEFAULT '',
    unit_slug          text,
    uom                text NOT NULL DEFAULT '',
    range_low          double precision,
    range_high         double precision,
    alarm_high         double precision,
    clear_high         double precision,
    cut_high           double precision,
    restore_high       double precision,
    alarm_low          double precision,
    clear_low          double precision,
    cut_low            double precision,
    restore_low        double precision,
    relations          text[] NOT NULL DEFAULT '{}',
    source             text NOT NULL,                -- points | file | provisional | import
    recorded_at        timestamptz NOT NULL,
    PRIMARY KEY (point_id, effective_from_us)
);

-- What changed, old → new, for people: changes of limits and relations are how
-- readings are hidden, so every one stays visible.
CREATE TABLE point_change (
    change_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    point_id     integer REFERENCES point ON DELETE RESTRICT,
    mine_id      integer NOT NULL REFERENCES mine ON DELETE RESTRICT,
    attribute    text NOT NULL,
    old_value    text,
    new_value    text,
    source       text NOT NULL,
    changed_at   timestamptz NOT NULL,               -- from when it counts
    recorded_at  timestamptz NOT NULL
);
CREATE INDEX point_change_mine ON point_change (mine_id, changed_at DESC);
