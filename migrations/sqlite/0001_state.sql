-- The journal is the truth; a snapshot is a fold of it. Tables have singular names, the views for `swell query` plural ones.

CREATE TABLE journal (
    -- AUTOINCREMENT remembers the highest number ever used, so that entries cut off the end are noticed.
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    at         TEXT NOT NULL,
    deployment TEXT NOT NULL,
    run        TEXT NOT NULL,
    body       TEXT NOT NULL,
    previous   TEXT NOT NULL,
    hash       TEXT NOT NULL,
    -- Computed, so that nothing beside the hashed text can disagree with it.
    kind       TEXT AS (body ->> '$.entry'),
    address    TEXT AS (coalesce(body ->> '$.address', body ->> '$.resource.address'))
) STRICT;

CREATE INDEX journal_deployment ON journal (deployment, number);
CREATE INDEX journal_kind ON journal (kind, deployment, number);
CREATE INDEX journal_run ON journal (run, number);
CREATE UNIQUE INDEX journal_began ON journal (run) WHERE kind = 'run-began';
CREATE UNIQUE INDEX journal_ended ON journal (run) WHERE kind = 'run-ended';

CREATE TRIGGER journal_is_not_changed BEFORE UPDATE ON journal
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_is_not_cut BEFORE DELETE ON journal
BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;

CREATE TABLE snapshot (
    deployment TEXT NOT NULL,
    number     INTEGER NOT NULL,
    run        TEXT NOT NULL,
    last_entry INTEGER NOT NULL REFERENCES journal (number),
    resources  INTEGER NOT NULL,
    unsettled  INTEGER NOT NULL,
    pattern    TEXT,
    body       TEXT NOT NULL,
    PRIMARY KEY (deployment, number)
) STRICT;

CREATE INDEX snapshot_run ON snapshot (run);

CREATE TABLE plan (
    digest     TEXT PRIMARY KEY,
    deployment TEXT NOT NULL,
    bytes      BLOB NOT NULL,
    made_at    TEXT NOT NULL,
    used_by    TEXT
) STRICT;

CREATE INDEX plan_deployment ON plan (deployment);

CREATE TABLE lock (
    -- Never used twice, so a holder that lost its lock can always be told from the next one.
    token      INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment TEXT NOT NULL UNIQUE,
    who        TEXT NOT NULL,
    host       TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    mark       TEXT NOT NULL,
    what       TEXT NOT NULL,
    since      TEXT NOT NULL,
    lease      TEXT NOT NULL,
    run        TEXT
) STRICT;

CREATE TABLE session (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    at         TEXT NOT NULL,
    body       TEXT NOT NULL
) STRICT;

CREATE VIEW entries AS
SELECT number, at, deployment, run, kind, address,
       body ->> '$.action' AS action,
       body ->> '$.outcome' AS outcome,
       body ->> '$.tool' AS tool,
       body ->> '$.error' AS error,
       body ->> '$.elapsed_ms' AS elapsed_ms,
       body
FROM journal;

CREATE VIEW runs AS
SELECT b.run, b.deployment,
       b.body ->> '$.header.kind' AS kind,
       b.body ->> '$.header.request' AS request,
       b.body ->> '$.header.who' AS who,
       b.body ->> '$.header.approval' AS approval,
       b.body ->> '$.header.plan' AS plan,
       b.at AS began_at, e.at AS ended_at,
       e.body ->> '$.end.done' AS done,
       e.body ->> '$.end.failed' AS failed,
       e.body ->> '$.end.skipped' AS skipped,
       e.body ->> '$.end.unknown' AS unknown,
       e.body ->> '$.end.interrupted' AS interrupted,
       s.number AS snapshot
FROM journal b
LEFT JOIN journal e ON e.run = b.run AND e.kind = 'run-ended'
LEFT JOIN snapshot s ON s.run = b.run
WHERE b.kind = 'run-began';

CREATE VIEW resources AS
SELECT s.deployment, s.number AS snapshot, r.key AS address,
       substr(r.key, 1, instr(r.key, ':') - 1) AS server,
       substr(r.key, instr(r.key, ':') + 1, length(rtrim(r.key, replace(r.key, ':', ''))) - instr(r.key, ':') - 1) AS type,
       substr(r.key, length(rtrim(r.key, replace(r.key, ':', ''))) + 1) AS name,
       r.value ->> '$.id' AS id,
       r.value -> '$.properties' AS properties,
       r.value -> '$.outputs' AS outputs,
       r.value -> '$.desired' AS desired,
       r.value ->> '$.target' AS target,
       r.value ->> '$.holds_data' AS holds_data
FROM snapshot s, json_each(s.body, '$.resources') r
WHERE s.number = (SELECT max(x.number) FROM snapshot x WHERE x.deployment = s.deployment);

CREATE VIEW outputs AS
SELECT s.deployment, o.key AS name, o.value AS value
FROM snapshot s, json_each(s.body, '$.outputs') o
WHERE s.number = (SELECT max(x.number) FROM snapshot x WHERE x.deployment = s.deployment);
