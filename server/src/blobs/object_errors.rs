//! What an object store said, by what can be done about it. PURE.

use std::error::Error;
use std::io;

use object_store::Error as StoreError;

use super::BlobError;

const KEYS: &str = "look at the keys (`s3.access_key`, `s3.secret_key`, or the usual AWS environment) and at what they may do: \
                    get, put, delete and list in this bucket";
const BUCKET: &str = "make the bucket, or name another with `s3.bucket`; where it was there, bring it back";
const WAY: &str = "look whether the store runs and can be reached from here (`s3.endpoint`); devices keep their saves queued";

/// Words by which stores say that their own disks are full.
const FULL: [&str; 3] = ["507 ", "StorageFull", "QuotaExceeded"];
/// Words by which stores say that they will not take these keys, where the status alone does not.
const REFUSED: [&str; 3] = ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed"];
/// What a store that is overloaded, restarting or beyond a broken way answers.
const AWAY: [&str; 8] =
    ["500 ", "502 ", "503 ", "504 ", "429 ", "SlowDown", "error sending request", "timed out"];

/// The store's error as ours.
pub(super) fn failed(why: StoreError) -> BlobError {
    let text = told(&why);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let unavailable = |help| BlobError::Unavailable { why: text.clone(), help };
    if is_full(&why) || says(&FULL) {
        return BlobError::DiskFull(text);
    }
    match why {
        StoreError::NotFound { .. } => unavailable(BUCKET),
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => unavailable(KEYS),
        _ if says(&REFUSED) => unavailable(KEYS),
        _ if says(&AWAY) || is_of_the_way(&why) => unavailable(WAY),
        _ => BlobError::Failed(text),
    }
}

/// In one line: the last cause says most, and stores answer in XML of several lines.
fn told(why: &StoreError) -> String {
    let mut text = why.to_string();
    let mut cause = why.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn causes<'a>(why: &'a StoreError) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let first: &'a (dyn Error + 'static) = why;
    std::iter::successors(Some(first), |error: &&'a (dyn Error + 'static)| (*error).source())
}

fn is_full(why: &StoreError) -> bool {
    causes(why).any(|error| {
        error.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::StorageFull)
    })
}

/// Was it the connection that failed, and not the store that said no?
#[cfg(feature = "serve")]
fn is_of_the_way(why: &StoreError) -> bool {
    causes(why).any(|error| error.downcast_ref::<object_store::client::HttpError>().is_some())
}

#[cfg(not(feature = "serve"))]
fn is_of_the_way(_: &StoreError) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> StoreError {
        StoreError::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn each_fault_is_told_by_what_can_be_done() {
        let denied = StoreError::PermissionDenied { path: "blobs/ab".into(), source: "403 Forbidden".into() };
        let bucket = StoreError::NotFound { path: "blobs/ab".into(), source: "NoSuchBucket".into() };
        let full = StoreError::Generic {
            store: "disk",
            source: Box::new(io::Error::from(io::ErrorKind::StorageFull)),
        };
        let rows = [
            (denied, Some(KEYS), "not allowed"),
            (bucket, Some(BUCKET), "no bucket"),
            (error("status code: 503 Service Unavailable: SlowDown"), Some(WAY), "overloaded"),
            (error("error sending request for url"), Some(WAY), "unreachable"),
            (error("operation timed out"), Some(WAY), "slow"),
            (error("status code: 400 Bad Request: InvalidAccessKeyId"), Some(KEYS), "unknown key"),
            (error("something else"), None, "anything else"),
        ];
        for (why, expected, case) in rows {
            let help = match failed(why) {
                BlobError::Unavailable { help, .. } => Some(help),
                _ => None,
            };
            assert_eq!(help, expected, "{case}");
        }
        assert!(matches!(failed(full), BlobError::DiskFull(_)));
        assert!(matches!(
            failed(error("507 Insufficient Storage: XMinioStorageFull")),
            BlobError::DiskFull(_)
        ));
    }
}
