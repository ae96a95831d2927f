-- What no kept version needs any more, and what is being removed. See `server/src/library/gc.rs`.
-- Never edited once released: changes come as the next number.

-- Since when no kept version needs it; NULL: needed, or not looked at yet. A version whose content has no row here is thinned out.
ALTER TABLE contents ADD COLUMN unneeded_unix_s BIGINT;

-- Whether anybody has a content at all.
CREATE INDEX contents_by_digest ON contents (digest);

-- Bytes that nobody has.
CREATE TABLE strays (
    digest       BYTEA PRIMARY KEY,
    since_unix_s BIGINT NOT NULL,
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('found', 'condemned', 'removed'))
);
