//! Which columns each query reads, by table.
//!
//! Named one by one, never `*`: a server whose database is migrated by a newer one goes on with its prepared statements, and
//! PostgreSQL refuses one whose columns have become more.

macro_rules! columns {
    (users) => {
        "id, name, password_hash, admin, writer, quota_bytes, quota_devices, email, created_unix_s"
    };
    (sessions) => {
        "token_sha256, user_id, expires_unix_s"
    };
    (devices) => {
        "device, user_id, name, profile, client, token_sha256, writer, paired_unix_s, last_seen_unix_s, revoked, report"
    };
    (pairings) => {
        "code, state, token_sha256, user_id, device_name, profile, client, expires_unix_s"
    };
    (versions) => {
        "version, change, leaf, received_unix_s, device, device_name, record"
    };
    (contents) => {
        "digest, size_bytes, added_unix_s, unneeded_unix_s"
    };
    (strays) => {
        "digest, since_unix_s, state"
    };
    (uploads) => {
        "id, digest, size_bytes, block_digests, staged, touched_unix_s"
    };
    (operations) => {
        "scope, id, request, reply, at_unix_s"
    };
    (invitations) => {
        "code_sha256, note, quota_bytes, quota_devices, expires_unix_s"
    };
    (marks) => {
        "version, pinned, label"
    };
    (events) => {
        "id, at_unix_s, kind, device_name, save, version, text"
    };
}

pub(crate) use columns;
