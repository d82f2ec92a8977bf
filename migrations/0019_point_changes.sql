-- Changes of a point beside its limits: its place class, and its end.
ALTER TABLE limit_change
    ADD COLUMN place_class  text NOT NULL DEFAULT '',       -- '': as its mine says
    ADD COLUMN retire       boolean NOT NULL DEFAULT false, -- it is gone for good
    ADD CHECK (NOT retire OR (limits = '{}' AND place_class = ''));
