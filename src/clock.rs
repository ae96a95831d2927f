//! PURE. What time it is by the server, as far as this boot has heard. For people only; nothing is decided by it.

use retrosync_protocol::Played;

/// The server's clock against this device's uptime. A handheld in 1970 knows the hour as soon as it was told once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerClock {
    /// What the server said, in Unix seconds, and the uptime then, in milliseconds.
    told: Option<(i64, u64)>,
}

impl ServerClock {
    /// The server told its time.
    pub fn tell(&mut self, server_unix_s: i64, boot_ms: u64) {
        self.told = Some((server_unix_s, boot_ms));
    }

    /// The hour at an uptime of this boot, before or after it was told; `None`: never told.
    pub fn at(&self, boot_ms: u64) -> Option<i64> {
        let (unix_s, then_ms) = self.told?;
        let seconds = |ms: u64| i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
        Some(if boot_ms >= then_ms {
            unix_s.saturating_add(seconds(boot_ms - then_ms))
        } else {
            // Rounded down, so that an interval never begins too late.
            unix_s.saturating_sub(seconds(then_ms - boot_ms + 999))
        })
    }

    /// An interval of uptime as one of server time.
    pub fn interval(&self, from_boot_ms: u64, to_boot_ms: u64) -> Option<Played> {
        Some(Played {
            from_unix_s: self.at(from_boot_ms)?,
            to_unix_s: self.at(to_boot_ms.max(from_boot_ms))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_is_known_before_and_after_it_was_told_and_not_without() {
        let mut clock = ServerClock::default();
        assert_eq!((clock.at(5), clock.interval(1, 2)), (None, None));
        clock.tell(1_000, 10_000);
        let rows =
            [(10_000, 1_000), (12_999, 1_002), (9_999, 999), (0, 990), (u64::MAX, 18_446_744_073_710_541)];
        for (boot_ms, unix_s) in rows {
            assert_eq!(clock.at(boot_ms), Some(unix_s), "{boot_ms}");
        }
        assert_eq!(clock.interval(8_000, 11_000), Some(Played { from_unix_s: 998, to_unix_s: 1_001 }));
    }
}
