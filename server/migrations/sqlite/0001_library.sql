-- Users, devices, saves and versions. Digests are 32 raw bytes; times are Unix seconds.
-- Never edited once released: changes come as the next number.

CREATE TABLE server (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch    TEXT NOT NULL
) STRICT;

CREATE TABLE users (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL,
    name_key       TEXT NOT NULL UNIQUE,   -- the name in lower case
    password_hash  TEXT NOT NULL,
    admin          INTEGER NOT NULL,
    writer         TEXT NOT NULL,
    quota_bytes    INTEGER,
    created_unix_s INTEGER NOT NULL,
    last_change    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE sessions (
    token_sha256   BLOB PRIMARY KEY,
    user_id        INTEGER NOT NULL REFERENCES users (id),
    expires_unix_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    id               INTEGER PRIMARY KEY,
    device           TEXT NOT NULL UNIQUE,
    user_id          INTEGER NOT NULL REFERENCES users (id),
    name             TEXT NOT NULL,
    profile          TEXT NOT NULL,
    client           TEXT NOT NULL,
    token_sha256     BLOB NOT NULL UNIQUE,
    writer           TEXT NOT NULL,
    paired_unix_s    INTEGER NOT NULL,
    last_seen_unix_s INTEGER,
    revoked          INTEGER NOT NULL
) STRICT;

CREATE INDEX devices_of_user ON devices (user_id);

CREATE TABLE pairings (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    code           TEXT NOT NULL UNIQUE,
    state          TEXT NOT NULL CHECK (state IN ('waiting', 'denied', 'offered', 'used')),
    token_sha256   BLOB,
    user_id        INTEGER REFERENCES users (id),
    device_name    TEXT NOT NULL,
    profile        TEXT NOT NULL,
    client         TEXT NOT NULL,
    expires_unix_s INTEGER NOT NULL
) STRICT;

CREATE INDEX pairings_by_token ON pairings (token_sha256);

CREATE TABLE saves (
    id       INTEGER PRIMARY KEY,
    user_id  INTEGER NOT NULL REFERENCES users (id),
    save     TEXT NOT NULL,                -- the first spelling met
    save_key TEXT NOT NULL,                -- the compare key
    change   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (user_id, save_key)
) STRICT;

CREATE INDEX saves_by_change ON saves (user_id, change);

CREATE TABLE versions (
    save_id         INTEGER NOT NULL REFERENCES saves (id),
    user_id         INTEGER NOT NULL REFERENCES users (id),
    version         BLOB NOT NULL,
    change          INTEGER NOT NULL,
    content         BLOB,                  -- NULL: a tombstone
    writer          TEXT NOT NULL,
    sequence        INTEGER NOT NULL,
    leaf            INTEGER NOT NULL,
    received_unix_s INTEGER NOT NULL,
    device          TEXT,                  -- NULL: the dashboard
    device_name     TEXT NOT NULL,
    record          TEXT NOT NULL,         -- the whole record, as JSON
    PRIMARY KEY (save_id, version),
    UNIQUE (user_id, writer, sequence),
    UNIQUE (user_id, change)
) STRICT, WITHOUT ROWID;

CREATE INDEX versions_by_change ON versions (save_id, change);
CREATE INDEX versions_by_content ON versions (save_id, content);
CREATE INDEX leaves ON versions (save_id) WHERE leaf = 1;

-- What a user has: durable in the blobs before a row here.
CREATE TABLE contents (
    user_id      INTEGER NOT NULL REFERENCES users (id),
    digest       BLOB NOT NULL,
    size_bytes   INTEGER NOT NULL,
    added_unix_s INTEGER NOT NULL,
    PRIMARY KEY (user_id, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,   -- names staged blocks, so never used twice
    user_id        INTEGER NOT NULL REFERENCES users (id),
    digest         BLOB NOT NULL,
    size_bytes     INTEGER NOT NULL,
    block_digests  BLOB NOT NULL,          -- 32 bytes each
    staged         BLOB NOT NULL,          -- one byte each, 0 or 1
    touched_unix_s INTEGER NOT NULL,
    UNIQUE (user_id, digest)
) STRICT;

-- Where the blocks of large contents are found.
CREATE TABLE blocks (
    digest       BLOB NOT NULL,
    content      BLOB NOT NULL,
    offset_bytes INTEGER NOT NULL,
    length_bytes INTEGER NOT NULL,
    PRIMARY KEY (digest, content, offset_bytes)
) STRICT, WITHOUT ROWID;

CREATE INDEX blocks_of_content ON blocks (content);

-- Answers given, to be given again.
CREATE TABLE operations (
    scope     TEXT NOT NULL,
    id        TEXT NOT NULL,
    request   BLOB NOT NULL,
    reply     TEXT NOT NULL,
    at_unix_s INTEGER NOT NULL,
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX operations_by_time ON operations (at_unix_s);
