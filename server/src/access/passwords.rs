//! Passwords as Argon2id hashes (19 MiB, two passes, one lane: the least that OWASP asks for).
//!
//! A hash is slow on purpose, so it runs on the blocking pool, and at most two at once: a flood of logins must not
//! exhaust a small machine's memory, whether those who log in wait for the answer or not.

use std::sync::Arc;

use argon2::password_hash::{Error, Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use retrosync_protocol::Code;
use tokio::sync::Semaphore;

use super::random;
use crate::library::Answer;
use crate::refusal::Refusal;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const AT_ONCE: usize = 2;
/// What is asked of the system for a hash; only what the hash needs is ever touched. From 32 MiB on the C library asks for memory anew and
/// gives it back at once; less it keeps, for each thread that ever hashed.
const ASKED_BYTES: usize = 40 << 20;
const LEAST_CHARACTERS: usize = 8;
const MOST_BYTES: usize = 1024;

/// Verified in place of a hash that is not there. No password has it: nobody finds the bytes that hash to zeroes.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cmV0cm9zeW5jLW5vYm9keQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and verifies, a few at a time.
pub(super) struct Passwords {
    at_once: Arc<Semaphore>,
    /// How many hashes were made.
    #[cfg(test)]
    pub(super) hashes: std::sync::atomic::AtomicU64,
}

impl Default for Passwords {
    fn default() -> Passwords {
        Passwords {
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            #[cfg(test)]
            hashes: Default::default(),
        }
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
            let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
            let output =
                output(password.as_bytes(), salt.as_salt(), Algorithm::Argon2id, Version::V0x13, &params)?;
            let kept = PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&params)?,
                salt: Some(salt.as_salt()),
                hash: Some(output),
            };
            Ok(kept.to_string())
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
            let right = is_of(password.as_bytes(), &PasswordHash::new(&hash)?)?;
            Ok(right && known)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Answer<T> {
        let failed = |why: String| Refusal::internal("checking a password", why);
        let turn = Arc::clone(&self.at_once).acquire_owned();
        let turn = turn.await.map_err(|why| failed(why.to_string()))?;
        #[cfg(test)]
        self.hashes.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        // Who hangs up meanwhile ends our waiting, not the work: the turn goes with that.
        let work = move || {
            let done = work();
            drop(turn);
            done
        };
        let done = tokio::task::spawn_blocking(work).await.map_err(|why| failed(why.to_string()))?;
        done.map_err(|why| failed(why.to_string()))
    }
}

/// Is it the password of this hash?
fn is_of(password: &[u8], hash: &PasswordHash<'_>) -> Result<bool, Error> {
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else { return Ok(false) };
    let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from)?;
    let algorithm = Algorithm::try_from(hash.algorithm)?;
    // Compared in constant time, as their type says.
    Ok(output(password, salt, algorithm, version, &Params::try_from(hash)?)? == expected)
}

/// The hash itself.
fn output(
    password: &[u8],
    salt: Salt<'_>,
    algorithm: Algorithm,
    version: Version,
    params: &Params,
) -> Result<Output, Error> {
    let mut raw = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut raw)?;
    let blocks = params.block_count();
    let mut memory = Vec::with_capacity(blocks.max(ASKED_BYTES / Block::SIZE));
    memory.resize(blocks, Block::new());
    let argon2 = Argon2::new(algorithm, version, params.clone());
    Output::init_with(params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN), |out| {
        Ok(argon2.hash_password_into_with_memory(password, salt, out, &mut memory)?)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier, mpsc};

    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    /// As the servers before this one hashed.
    fn theirs() -> Argon2<'static> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }

    #[tokio::test]
    async fn a_password_that_an_older_server_kept_still_opens_and_the_other_way_round() {
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let kept = theirs().hash_password(b"correct horse", &salt).unwrap().to_string();
        let passwords = Passwords::default();
        assert!(passwords.verify("correct horse", Some(kept.clone())).await.unwrap());
        assert!(!passwords.verify("correct house", Some(kept)).await.unwrap());
        let ours = passwords.hash("correct horse").await.unwrap();
        theirs().verify_password(b"correct horse", &PasswordHash::new(&ours).unwrap()).unwrap();
    }

    #[tokio::test]
    async fn who_sends_a_password_and_hangs_up_gives_nobody_else_a_turn() {
        let passwords = Arc::new(Passwords::default());
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            let (go_on, waits) = mpsc::channel::<()>();
            let (begins, begun) = tokio::sync::oneshot::channel();
            let passwords = passwords.clone();
            let asked = tokio::spawn(async move {
                let work = move || {
                    let _ = begins.send(());
                    let _ = waits.recv();
                    Ok(())
                };
                passwords.run(work).await
            });
            begun.await.unwrap();
            asked.abort();
            assert!(asked.await.unwrap_err().is_cancelled());
            held.push(go_on);
        }
        assert_eq!(passwords.at_once.available_permits(), 0, "the work goes on, and nobody waits for it");
        drop(held);
        passwords.run(|| Ok(())).await.unwrap();
    }

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
