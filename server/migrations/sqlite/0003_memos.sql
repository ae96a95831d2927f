-- What an adapter to another protocol remembers beside the library: JSON that only it reads.
-- Never edited once released: changes come as the next number.

CREATE TABLE memos (
    owner TEXT NOT NULL,
    kind  TEXT NOT NULL,
    name  TEXT NOT NULL,
    text  TEXT NOT NULL,
    PRIMARY KEY (owner, kind, name)
) STRICT, WITHOUT ROWID;

-- A version by the beginning of its id, whatever its save.
CREATE INDEX versions_by_id ON versions (user_id, version);
