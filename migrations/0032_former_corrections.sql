-- What a gateway's clock was corrected by before the present correction, oldest first:
-- [[last frame number that it counts for, µs, judged time of that frame in µs], …], at most
-- sixteen. What was made before a step comes by back-fill, also after a restart of ingest.

ALTER TABLE gateway_clock ADD COLUMN former jsonb NOT NULL DEFAULT '[]';
