-- What the dashboard keeps beside saves: who may come in, marks on versions, what a device holds, what happened.

ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN quota_devices INTEGER;

-- What a device says of itself, as JSON: its folders and its problems; empty: nothing yet.
ALTER TABLE devices ADD COLUMN report TEXT NOT NULL DEFAULT '';

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE invitations (
    code_sha256    BLOB PRIMARY KEY,
    note           TEXT NOT NULL,
    quota_bytes    INTEGER,
    quota_devices  INTEGER,
    expires_unix_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a person says of a version. A pinned one is never thinned out.
CREATE TABLE marks (
    save_id INTEGER NOT NULL REFERENCES saves (id),
    version BLOB NOT NULL,
    pinned  INTEGER NOT NULL,
    label   TEXT NOT NULL,
    PRIMARY KEY (save_id, version)
) STRICT, WITHOUT ROWID;

-- Which contents a device was given; what it sent itself is in `versions`.
CREATE TABLE fetched (
    device    TEXT NOT NULL,
    content   BLOB NOT NULL,
    at_unix_s INTEGER NOT NULL,
    PRIMARY KEY (device, content)
) STRICT, WITHOUT ROWID;

-- What happened, for people.
CREATE TABLE events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id     INTEGER NOT NULL REFERENCES users (id),
    at_unix_s   INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    device_name TEXT NOT NULL,
    save        TEXT,
    version     BLOB,
    text        TEXT NOT NULL
) STRICT;

CREATE INDEX events_of_user ON events (user_id, id);

INSERT INTO events (user_id, at_unix_s, kind, device_name, save, version, text)
    SELECT versions.user_id, versions.received_unix_s,
           CASE WHEN json_extract(versions.record, '$.suspect') THEN 'doubted'
                WHEN versions.content IS NULL THEN 'deleted' ELSE 'saved' END,
           versions.device_name, saves.save, versions.version, ''
    FROM versions JOIN saves ON saves.id = versions.save_id ORDER BY versions.user_id, versions.change;
