//! Passwords as Argon2id hashes (19 MiB, two passes, one lane: the least that OWASP asks for).
//!
//! A hash is slow on purpose, so it runs on the blocking pool, and at most two at once: a flood of logins must not
//! exhaust a small machine's memory.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use retrosync_protocol::Code;
use tokio::sync::Semaphore;

use super::random;
use crate::library::Answer;
use crate::refusal::Refusal;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const AT_ONCE: usize = 2;
const LEAST_CHARACTERS: usize = 8;
const MOST_BYTES: usize = 1024;

/// Verified in place of a hash that is not there. No password has it: nobody finds the bytes that hash to zeroes.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cmV0cm9zeW5jLW5vYm9keQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and verifies, a few at a time.
pub(super) struct Passwords {
    at_once: Semaphore,
}

impl Default for Passwords {
    fn default() -> Passwords {
        Passwords { at_once: Semaphore::new(AT_ONCE) }
    }
}

/// Refuses a password that is too short or absurdly long.
pub(super) fn fits(password: &str) -> Answer<()> {
    if password.chars().count() < LEAST_CHARACTERS {
        return Err(Refusal::new(
            Code::Malformed,
            format!("a password has at least {LEAST_CHARACTERS} characters"),
        ));
    }
    if password.len() > MOST_BYTES {
        return Err(Refusal::new(Code::Malformed, format!("a password has at most {MOST_BYTES} bytes")));
    }
    Ok(())
}

impl Passwords {
    /// The hash to keep.
    pub(super) async fn hash(&self, password: &str) -> Answer<String> {
        let salt: [u8; 16] = random()?;
        let password = password.to_owned();
        self.run(move || {
            let salt = SaltString::encode_b64(&salt)?;
            Ok(argon2()?.hash_password(password.as_bytes(), &salt)?.to_string())
        })
        .await
    }

    /// Is it the password of this hash? Takes as long without a hash.
    pub(super) async fn verify(&self, password: &str, hash: Option<String>) -> Answer<bool> {
        if password.len() > MOST_BYTES {
            return Ok(false);
        }
        let password = password.to_owned();
        self.run(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODYS.into());
            let right = argon2()?.verify_password(password.as_bytes(), &PasswordHash::new(&hash)?).is_ok();
            Ok(right && known)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
    ) -> Answer<T> {
        let failed = |why: String| Refusal::internal("checking a password", why);
        let _turn = self.at_once.acquire().await.map_err(|why| failed(why.to_string()))?;
        let done = tokio::task::spawn_blocking(work).await.map_err(|why| failed(why.to_string()))?;
        done.map_err(|why| failed(why.to_string()))
    }
}

fn argon2() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_opens() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse", Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct house", Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse", None).await.unwrap());
    }

    #[tokio::test]
    async fn an_unknown_name_costs_the_same_hash_as_a_known_one() {
        let known = Passwords::default().hash("correct horse").await.unwrap();
        let (known, nobodys) = (PasswordHash::new(&known).unwrap(), PasswordHash::new(NOBODYS).unwrap());
        assert_eq!((known.algorithm, known.version), (nobodys.algorithm, nobodys.version));
        assert_eq!(known.params, nobodys.params);
        assert_eq!(known.hash.unwrap().len(), nobodys.hash.unwrap().len());
    }

    #[tokio::test]
    async fn a_flood_of_logins_hashes_two_at_a_time() {
        let passwords = Passwords::default();
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (running, most) = (Arc::new(running), Arc::new(most));
        // Two must meet here each time, so that the bound is reached; a third would raise `most`.
        let meet = Arc::new(Barrier::new(AT_ONCE));
        let flood = (0..4 * AT_ONCE).map(|_| {
            let (running, most, meet) = (running.clone(), most.clone(), meet.clone());
            passwords.run(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                meet.wait();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
        });
        futures_util::future::try_join_all(flood).await.unwrap();
        assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
    }
}
