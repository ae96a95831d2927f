//! Users, sessions, devices and pairings in SQL.

use async_trait::async_trait;
use retrosync_protocol::{DeviceId, Digest, UserCode};

use super::{
    Row, SqlTx, count, damaged, dialect, digest, digest_of, failed, flag, get, int, json, parsed, raw,
};
use crate::catalog::columns::columns;
use crate::catalog::{DeviceRecord, Pairing, PairingState, People, Result, SessionRecord, User, UserId};

fn user(row: &Row) -> Result<User> {
    let quota_bytes: Option<i64> = get(row, "quota_bytes")?;
    let quota_devices: Option<i64> = get(row, "quota_devices")?;
    Ok(User {
        id: UserId(get(row, "id")?),
        name: get(row, "name")?,
        password_hash: get(row, "password_hash")?,
        admin: flag(row, "admin")?,
        writer: parsed(row, "writer")?,
        quota_bytes: quota_bytes.map(u64::try_from).transpose().map_err(|why| damaged("quota_bytes", why))?,
        quota_devices: quota_devices
            .map(u32::try_from)
            .transpose()
            .map_err(|why| damaged("quota_devices", why))?,
        email: get(row, "email")?,
        created_unix_s: get(row, "created_unix_s")?,
    })
}

fn device(row: &Row) -> Result<DeviceRecord> {
    Ok(DeviceRecord {
        device: parsed(row, "device")?,
        user: UserId(get(row, "user_id")?),
        name: get(row, "name")?,
        profile: get(row, "profile")?,
        client: get(row, "client")?,
        token_sha256: digest(row, "token_sha256")?,
        writer: parsed(row, "writer")?,
        paired_unix_s: get(row, "paired_unix_s")?,
        last_seen_unix_s: get(row, "last_seen_unix_s")?,
        revoked: flag(row, "revoked")?,
        report: get(row, "report")?,
    })
}

fn pairing(row: &Row) -> Result<Pairing> {
    let token: Option<&[u8]> = get(row, "token_sha256")?;
    Ok(Pairing {
        code: parsed(row, "code")?,
        state: match get::<&str>(row, "state")? {
            "waiting" => PairingState::Waiting,
            "denied" => PairingState::Denied,
            "offered" => PairingState::Offered,
            _ => PairingState::Used,
        },
        token_sha256: token.map(|bytes| digest_of(bytes, "token_sha256")).transpose()?,
        user: get::<Option<i64>>(row, "user_id")?.map(UserId),
        device_name: get(row, "device_name")?,
        profile: get(row, "profile")?,
        client: get(row, "client")?,
        expires_unix_s: get(row, "expires_unix_s")?,
    })
}

fn state_word(state: PairingState) -> &'static str {
    match state {
        PairingState::Waiting => "waiting",
        PairingState::Denied => "denied",
        PairingState::Offered => "offered",
        PairingState::Used => "used",
    }
}

#[async_trait]
impl People for SqlTx {
    async fn add_user(&mut self, user: &User) -> Result<Option<UserId>> {
        let row = sqlx::query(
            "INSERT INTO users (name, name_key, password_hash, admin, writer, quota_bytes, quota_devices, email,
             created_unix_s) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (name_key) DO NOTHING RETURNING id",
        )
        .bind(&user.name)
        .bind(user.name.to_lowercase())
        .bind(&user.password_hash)
        .bind(i64::from(user.admin))
        .bind(user.writer.as_str())
        .bind(user.quota_bytes.map(int))
        .bind(user.quota_devices.map(i64::from))
        .bind(&user.email)
        .bind(user.created_unix_s)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(failed)?;
        row.map(|row| get(&row, "id").map(UserId)).transpose()
    }

    async fn user(&mut self, id: UserId) -> Result<Option<User>> {
        let row = sqlx::query(concat!("SELECT ", columns!(users), " FROM users WHERE id = $1")).bind(id.0);
        row.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(user).transpose()
    }

    async fn user_by_name(&mut self, name: &str) -> Result<Option<User>> {
        let row = sqlx::query(concat!("SELECT ", columns!(users), " FROM users WHERE name_key = $1"))
            .bind(name.to_lowercase());
        row.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(user).transpose()
    }

    async fn users(&mut self) -> Result<Vec<User>> {
        let rows = sqlx::query(concat!("SELECT ", columns!(users), " FROM users ORDER BY name_key"));
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(user).collect()
    }

    async fn set_password(&mut self, id: UserId, password_hash: &str) -> Result<()> {
        let query =
            sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2").bind(password_hash).bind(id.0);
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn add_session(&mut self, session: &SessionRecord) -> Result<()> {
        sqlx::query("INSERT INTO sessions (token_sha256, user_id, expires_unix_s) VALUES ($1, $2, $3)")
            .bind(raw(&session.token_sha256))
            .bind(session.user.0)
            .bind(session.expires_unix_s)
            .execute(&mut *self.tx)
            .await
            .map_err(failed)
            .map(drop)
    }

    async fn session(&mut self, token_sha256: Digest) -> Result<Option<SessionRecord>> {
        let query =
            sqlx::query(concat!("SELECT ", columns!(sessions), " FROM sessions WHERE token_sha256 = $1"))
                .bind(raw(&token_sha256));
        let Some(row) = query.fetch_optional(&mut *self.tx).await.map_err(failed)? else { return Ok(None) };
        Ok(Some(SessionRecord {
            token_sha256: digest(&row, "token_sha256")?,
            user: UserId(get(&row, "user_id")?),
            expires_unix_s: get(&row, "expires_unix_s")?,
        }))
    }

    async fn remove_session(&mut self, token_sha256: Digest) -> Result<()> {
        let query = sqlx::query("DELETE FROM sessions WHERE token_sha256 = $1").bind(raw(&token_sha256));
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn remove_sessions(&mut self, user: UserId) -> Result<()> {
        let query = sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user.0);
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn add_device(&mut self, device: &DeviceRecord) -> Result<()> {
        sqlx::query(
            "INSERT INTO devices (device, user_id, name, profile, client, token_sha256, writer, paired_unix_s,
             last_seen_unix_s, revoked, report) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(device.device.as_str())
        .bind(device.user.0)
        .bind(&device.name)
        .bind(&device.profile)
        .bind(&device.client)
        .bind(raw(&device.token_sha256))
        .bind(device.writer.as_str())
        .bind(device.paired_unix_s)
        .bind(device.last_seen_unix_s)
        .bind(i64::from(device.revoked))
        .bind(&device.report)
        .execute(&mut *self.tx)
        .await
        .map_err(failed)
        .map(drop)
    }

    async fn device_by_token(&mut self, token_sha256: Digest) -> Result<Option<DeviceRecord>> {
        let row = sqlx::query(concat!("SELECT ", columns!(devices), " FROM devices WHERE token_sha256 = $1"))
            .bind(raw(&token_sha256));
        row.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(device).transpose()
    }

    async fn device_and_user_by_token(
        &mut self,
        token_sha256: Digest,
    ) -> Result<Option<(DeviceRecord, String)>> {
        let query = sqlx::query(concat!(
            "SELECT ",
            columns!(devices),
            ", (SELECT users.name FROM users WHERE users.id = devices.user_id) AS user_name
             FROM devices WHERE token_sha256 = $1"
        ))
        .bind(raw(&token_sha256));
        let Some(row) = query.fetch_optional(&mut *self.tx).await.map_err(failed)? else { return Ok(None) };
        Ok(get::<Option<String>>(&row, "user_name")?.map(|name| Ok((device(&row)?, name))).transpose()?)
    }

    async fn device(&mut self, id: &DeviceId) -> Result<Option<DeviceRecord>> {
        let row = sqlx::query(concat!("SELECT ", columns!(devices), " FROM devices WHERE device = $1"))
            .bind(id.as_str());
        row.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(device).transpose()
    }

    async fn devices(&mut self, user: UserId) -> Result<Vec<DeviceRecord>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(devices),
            " FROM devices WHERE user_id = $1 AND revoked = 0 ORDER BY id"
        ))
        .bind(user.0);
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(device).collect()
    }

    async fn put_device(&mut self, device: &DeviceRecord) -> Result<()> {
        sqlx::query(
            "UPDATE devices SET name = $1, profile = $2, client = $3, last_seen_unix_s = $4, revoked = $5, report = $6
             WHERE device = $7",
        )
        .bind(&device.name)
        .bind(&device.profile)
        .bind(&device.client)
        .bind(device.last_seen_unix_s)
        .bind(i64::from(device.revoked))
        .bind(&device.report)
        .bind(device.device.as_str())
        .execute(&mut *self.tx)
        .await
        .map_err(failed)
        .map(drop)
    }

    async fn put_seen(&mut self, seen: &[(DeviceId, i64)]) -> Result<()> {
        let seen: Vec<_> = seen.iter().map(|(device, at_unix_s)| (device.as_str(), at_unix_s)).collect();
        let query = sqlx::query(dialect::PUT_SEEN).bind(json(&seen)?);
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn put_pairing(&mut self, pairing: &Pairing) -> Result<()> {
        sqlx::query(
            "INSERT INTO pairings (code, state, token_sha256, user_id, device_name, profile, client, expires_unix_s)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (code) DO UPDATE SET state = excluded.state, token_sha256 = excluded.token_sha256,
             user_id = excluded.user_id, device_name = excluded.device_name, profile = excluded.profile,
             client = excluded.client, expires_unix_s = excluded.expires_unix_s",
        )
        .bind(pairing.code.to_string())
        .bind(state_word(pairing.state))
        .bind(pairing.token_sha256.as_ref().map(raw))
        .bind(pairing.user.map(|user| user.0))
        .bind(&pairing.device_name)
        .bind(&pairing.profile)
        .bind(&pairing.client)
        .bind(pairing.expires_unix_s)
        .execute(&mut *self.tx)
        .await
        .map_err(failed)
        .map(drop)
    }

    async fn pairing(&mut self, code: &UserCode) -> Result<Option<Pairing>> {
        let row = sqlx::query(concat!("SELECT ", columns!(pairings), " FROM pairings WHERE code = $1"))
            .bind(code.to_string());
        row.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(pairing).transpose()
    }

    async fn pairing_by_token(&mut self, token_sha256: Digest) -> Result<Option<Pairing>> {
        let row = sqlx::query(concat!(
            "SELECT ",
            columns!(pairings),
            " FROM pairings WHERE token_sha256 = $1 ORDER BY id DESC LIMIT 1"
        ))
        .bind(raw(&token_sha256));
        row.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(pairing).transpose()
    }

    async fn open_pairings(&mut self, now_unix_s: i64) -> Result<u64> {
        let query = sqlx::query(
            "SELECT count(*) AS n FROM pairings WHERE state IN ('waiting', 'offered') AND expires_unix_s > $1",
        )
        .bind(now_unix_s);
        count(&query.fetch_one(&mut *self.tx).await.map_err(failed)?, "n")
    }

    async fn forget_expired(
        &mut self,
        sessions_before_unix_s: i64,
        pairings_before_unix_s: i64,
    ) -> Result<()> {
        let sessions =
            sqlx::query("DELETE FROM sessions WHERE expires_unix_s < $1").bind(sessions_before_unix_s);
        sessions.execute(&mut *self.tx).await.map_err(failed)?;
        let pairings =
            sqlx::query("DELETE FROM pairings WHERE expires_unix_s < $1").bind(pairings_before_unix_s);
        pairings.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }
}
