-- What drills were worth by a sheet of criteria, as whoever scored them says. A drill
-- that is scored again has both; lists show the latest.

CREATE TABLE drill_score (
    score_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run        integer NOT NULL REFERENCES drill ON DELETE RESTRICT,
    sheet      text NOT NULL CHECK (sheet <> ''),
    points     double precision NOT NULL CHECK (points >= 0 AND points <= of_points),
    of_points  double precision NOT NULL CHECK (of_points > 0),
    passed     boolean NOT NULL,
    scored_by  text NOT NULL,
    scored_at  timestamptz NOT NULL
);
CREATE INDEX drill_score_run ON drill_score (run, score_id DESC);
CREATE TRIGGER drill_score_append_only BEFORE UPDATE OR DELETE ON drill_score
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
