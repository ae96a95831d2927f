//! The dashboard's records in SQL.

use async_trait::async_trait;
use retrosync_protocol::{DeviceId, Digest, SaveId, VersionId};

use super::{
    Row, SqlTx, count, damaged, dialect, digest, digest_of, failed, flag, get, int, json, parsed, raw,
};
use crate::catalog::columns::columns;
use crate::catalog::{
    Board, Event, EventFilter, Holding, Invitation, Mark, Result, SaveRow, SaveSize, User, UserId,
};

fn invitation(row: &Row) -> Result<Invitation> {
    let bytes: Option<i64> = get(row, "quota_bytes")?;
    let devices: Option<i64> = get(row, "quota_devices")?;
    Ok(Invitation {
        code_sha256: digest(row, "code_sha256")?,
        note: get(row, "note")?,
        quota_bytes: bytes.map(u64::try_from).transpose().map_err(|why| damaged("quota_bytes", why))?,
        quota_devices: devices.map(u32::try_from).transpose().map_err(|why| damaged("quota_devices", why))?,
        expires_unix_s: get(row, "expires_unix_s")?,
    })
}

fn event(row: &Row) -> Result<Event> {
    let version: Option<&[u8]> = get(row, "version")?;
    let save: Option<&str> = get(row, "save")?;
    Ok(Event {
        id: count(row, "id")?,
        at_unix_s: get(row, "at_unix_s")?,
        kind: get(row, "kind")?,
        device_name: get(row, "device_name")?,
        save: save.map(str::parse).transpose().map_err(|why| damaged("save", why))?,
        version: version.map(|bytes| digest_of(bytes, "version")).transpose()?,
        text: get(row, "text")?,
    })
}

#[async_trait]
impl Board for SqlTx {
    async fn put_user(&mut self, user: &User) -> Result<bool> {
        let key = user.name.to_lowercase();
        let taken =
            sqlx::query("SELECT 1 FROM users WHERE name_key = $1 AND id <> $2").bind(&key).bind(user.id.0);
        if taken.fetch_optional(&mut *self.tx).await.map_err(failed)?.is_some() {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE users SET name = $1, name_key = $2, email = $3, admin = $4, quota_bytes = $5, quota_devices = $6
             WHERE id = $7",
        )
        .bind(&user.name)
        .bind(key)
        .bind(&user.email)
        .bind(i64::from(user.admin))
        .bind(user.quota_bytes.map(int))
        .bind(user.quota_devices.map(i64::from))
        .bind(user.id.0)
        .execute(&mut *self.tx)
        .await
        .map_err(failed)
        .map(|_| true)
    }

    async fn remove_user(&mut self, id: UserId) -> Result<()> {
        const ALL: [&str; 12] = [
            "DELETE FROM operations WHERE scope IN (SELECT device FROM devices WHERE user_id = $1)",
            "DELETE FROM fetched WHERE device IN (SELECT device FROM devices WHERE user_id = $1)",
            "DELETE FROM marks WHERE save_id IN (SELECT id FROM saves WHERE user_id = $1)",
            "DELETE FROM events WHERE user_id = $1",
            "DELETE FROM versions WHERE user_id = $1",
            "DELETE FROM saves WHERE user_id = $1",
            "DELETE FROM uploads WHERE user_id = $1",
            "DELETE FROM contents WHERE user_id = $1",
            "DELETE FROM pairings WHERE user_id = $1",
            "DELETE FROM devices WHERE user_id = $1",
            "DELETE FROM sessions WHERE user_id = $1",
            "DELETE FROM users WHERE id = $1",
        ];
        let owner = format!("user {}", id.0);
        for text in ["DELETE FROM operations WHERE scope = $1", "DELETE FROM memos WHERE owner = $1"] {
            sqlx::query(text).bind(&owner).execute(&mut *self.tx).await.map_err(failed)?;
        }
        for text in ALL {
            sqlx::query(text).bind(id.0).execute(&mut *self.tx).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn setting(&mut self, name: &str) -> Result<Option<String>> {
        let query = sqlx::query("SELECT value FROM settings WHERE name = $1").bind(name);
        let row = query.fetch_optional(&mut *self.tx).await.map_err(failed)?;
        row.map(|row| get(&row, "value")).transpose()
    }

    async fn put_setting(&mut self, name: &str, value: &str) -> Result<()> {
        let query = sqlx::query(
            "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        );
        query.bind(name).bind(value).execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn add_invitation(&mut self, invitation: &Invitation) -> Result<()> {
        sqlx::query(
            "INSERT INTO invitations (code_sha256, note, quota_bytes, quota_devices, expires_unix_s)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(raw(&invitation.code_sha256))
        .bind(&invitation.note)
        .bind(invitation.quota_bytes.map(int))
        .bind(invitation.quota_devices.map(i64::from))
        .bind(invitation.expires_unix_s)
        .execute(&mut *self.tx)
        .await
        .map_err(failed)
        .map(drop)
    }

    async fn invitations(&mut self) -> Result<Vec<Invitation>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(invitations),
            " FROM invitations ORDER BY expires_unix_s, code_sha256"
        ));
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(invitation).collect()
    }

    async fn take_invitation(&mut self, code_sha256: Digest) -> Result<Option<Invitation>> {
        let query = sqlx::query(concat!(
            "DELETE FROM invitations WHERE code_sha256 = $1 RETURNING ",
            columns!(invitations)
        ))
        .bind(raw(&code_sha256));
        query.fetch_optional(&mut *self.tx).await.map_err(failed)?.as_ref().map(invitation).transpose()
    }

    async fn put_mark(&mut self, row: SaveRow, mark: &Mark) -> Result<()> {
        let query = if mark.pinned || !mark.label.is_empty() {
            sqlx::query(
                "INSERT INTO marks (save_id, version, pinned, label) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (save_id, version) DO UPDATE SET pinned = excluded.pinned, label = excluded.label",
            )
            .bind(row.0)
            .bind(raw(&mark.version))
            .bind(i64::from(mark.pinned))
            .bind(&mark.label)
        } else {
            sqlx::query("DELETE FROM marks WHERE save_id = $1 AND version = $2")
                .bind(row.0)
                .bind(raw(&mark.version))
        };
        query.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }

    async fn marks(&mut self, row: SaveRow) -> Result<Vec<Mark>> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            columns!(marks),
            " FROM marks WHERE save_id = $1 ORDER BY version"
        ))
        .bind(row.0);
        let mark = |row: &Row| {
            Ok(Mark {
                version: digest(row, "version")?,
                pinned: flag(row, "pinned")?,
                label: get(row, "label")?,
            })
        };
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(mark).collect()
    }

    async fn add_fetched(&mut self, device: &DeviceId, contents: &[Digest], now_unix_s: i64) -> Result<()> {
        for content in contents {
            sqlx::query(
                "INSERT INTO fetched (device, content, at_unix_s) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(device.as_str())
            .bind(raw(content))
            .bind(now_unix_s)
            .execute(&mut *self.tx)
            .await
            .map_err(failed)?;
        }
        if !contents.is_empty() {
            self.touched.devices.insert(device.as_str().to_owned());
        }
        Ok(())
    }

    async fn holdings(&mut self, user: UserId, row: SaveRow) -> Result<Vec<Holding>> {
        let rows = sqlx::query(
            "SELECT device, name, version FROM (
                 SELECT devices.device, devices.name, versions.version,
                        row_number() OVER (PARTITION BY devices.device ORDER BY versions.change DESC) AS place
                 FROM devices JOIN versions ON versions.save_id = $1
                 LEFT JOIN fetched ON fetched.device = devices.device AND fetched.content = versions.content
                 WHERE devices.user_id = $2 AND devices.revoked = 0
                 AND (versions.device = devices.device OR fetched.content IS NOT NULL)) AS held
             WHERE place = 1 ORDER BY name, device",
        )
        .bind(row.0)
        .bind(user.0);
        let holding = |row: &Row| {
            Ok(Holding {
                device: parsed(row, "device")?,
                device_name: get(row, "name")?,
                version: digest(row, "version")?,
            })
        };
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(holding).collect()
    }

    async fn reached(&mut self, user: UserId) -> Result<Vec<(DeviceId, SaveId)>> {
        let rows = sqlx::query(
            "SELECT DISTINCT devices.device, saves.save FROM devices
             JOIN saves ON saves.user_id = devices.user_id
             JOIN versions ON versions.save_id = saves.id
             LEFT JOIN fetched ON fetched.device = devices.device AND fetched.content = versions.content
             WHERE devices.user_id = $1 AND devices.revoked = 0
             AND (versions.device = devices.device OR fetched.content IS NOT NULL)
             ORDER BY devices.device, saves.save",
        )
        .bind(user.0);
        let pair = |row: &Row| Ok((parsed(row, "device")?, parsed(row, "save")?));
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(pair).collect()
    }

    async fn sizes(&mut self, user: UserId) -> Result<Vec<SaveSize>> {
        let rows = sqlx::query(
            "SELECT save_id, CAST(sum(many) AS BIGINT) AS versions,
                    CAST(coalesce(sum(size_bytes), 0) AS BIGINT) AS size_bytes
             FROM (SELECT save_id, content, count(*) AS many FROM versions WHERE user_id = $1
                   GROUP BY save_id, content) AS held
             LEFT JOIN contents ON contents.user_id = $1 AND contents.digest = content
             GROUP BY save_id ORDER BY save_id",
        )
        .bind(user.0);
        let size = |row: &Row| {
            Ok(SaveSize {
                row: SaveRow(get(row, "save_id")?),
                versions: count(row, "versions")?,
                size_bytes: count(row, "size_bytes")?,
            })
        };
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(size).collect()
    }

    async fn add_event(&mut self, user: UserId, event: &Event) -> Result<()> {
        self.touched.users.insert(user.0);
        sqlx::query(
            "INSERT INTO events (user_id, at_unix_s, kind, device_name, save, version, text)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(user.0)
        .bind(event.at_unix_s)
        .bind(&event.kind)
        .bind(&event.device_name)
        .bind(event.save.as_ref().map(|save| save.as_str().to_owned()))
        .bind(event.version.as_ref().map(|version: &VersionId| raw(version)))
        .bind(&event.text)
        .execute(&mut *self.tx)
        .await
        .map_err(failed)
        .map(drop)
    }

    async fn events(
        &mut self,
        user: UserId,
        filter: &EventFilter,
        before: u64,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let rows = sqlx::query(dialect::EVENTS)
            .bind(user.0)
            .bind(int(before))
            .bind(json(&filter.kinds)?)
            .bind(&filter.device_name)
            .bind(&filter.save)
            .bind(i64::from(limit));
        rows.fetch_all(&mut *self.tx).await.map_err(failed)?.iter().map(event).collect()
    }

    async fn stamp(&mut self, user: UserId) -> Result<u64> {
        let query = sqlx::query(
            "SELECT (SELECT coalesce(max(id), 0) FROM events WHERE user_id = $1) +
                    (SELECT count(*) FROM fetched WHERE device IN
                        (SELECT device FROM devices WHERE user_id = $1)) AS id",
        )
        .bind(user.0);
        count(&query.fetch_one(&mut *self.tx).await.map_err(failed)?, "id")
    }

    async fn forget_events(
        &mut self,
        events_before_unix_s: i64,
        invitations_before_unix_s: i64,
    ) -> Result<()> {
        let events = sqlx::query("DELETE FROM events WHERE at_unix_s < $1").bind(events_before_unix_s);
        events.execute(&mut *self.tx).await.map_err(failed)?;
        let over =
            sqlx::query("DELETE FROM invitations WHERE expires_unix_s < $1").bind(invitations_before_unix_s);
        over.execute(&mut *self.tx).await.map_err(failed).map(drop)
    }
}
