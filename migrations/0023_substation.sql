-- The substation that a definition names for a point; empty where its number tells it.

ALTER TABLE point_version ADD COLUMN substation text NOT NULL DEFAULT '';
