-- When complete_to last moved, by our clock: a node above that is heard may be cut off
-- itself, or without its database.
ALTER TABLE upstream ADD COLUMN advanced_at timestamptz;
