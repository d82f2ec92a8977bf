-- The clocks of gateways that were found wrong, one row for each start of a gateway.

CREATE TABLE gateway_clock (
    run          integer NOT NULL REFERENCES run ON DELETE RESTRICT,
    mine_id      integer NOT NULL REFERENCES mine ON DELETE RESTRICT,
    boot         text NOT NULL,
    offset_us    bigint NOT NULL,        -- added to the times of its frames
    error_us     bigint NOT NULL,        -- how far it is ahead; 0 when it can be right
    is_wrong     boolean NOT NULL,
    since        timestamptz NOT NULL,   -- arrival at which this state began
    seen_at      timestamptz NOT NULL,   -- arrival of the frame that it was written with
    PRIMARY KEY (run, mine_id, boot)
);
