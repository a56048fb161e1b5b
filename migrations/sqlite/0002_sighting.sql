-- What a look at the servers found that is not as recorded. An observation and no record: the journal knows nothing of it, a snapshot
-- holds nothing of it, and a newer snapshot makes it void.

CREATE TABLE sighting (
    deployment TEXT NOT NULL,
    address    TEXT NOT NULL,
    -- The snapshot that it was held against.
    snapshot   INTEGER NOT NULL,
    at         TEXT NOT NULL,
    seen_by    TEXT NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (deployment, address)
) STRICT;
