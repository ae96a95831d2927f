//! PURE. Signatures of S3 requests (AWS Signature Version 4), checked; and each device's own pair of keys.
//!
//! The pair is computed from the server's secret for them and the hash of the device's key: nothing more is kept, revoking the
//! device ends both, and who reads only the catalog can sign nothing.

use axum::http::{HeaderMap, Method, Uri};
use retrosync_protocol::{DeviceId, Digest};

use super::hmac::sha256;
use crate::catalog::DeviceRecord;
use crate::clients_key::ClientsKey;

/// How far a request's date may be from ours.
const SKEW_S: i64 = 15 * 60;

/// A device's pair of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: String,
}

/// The keys of this device.
pub(super) fn credentials(key: &ClientsKey, device: &DeviceRecord) -> Credentials {
    let id = format!("RS{}", device.device.as_str().trim_start_matches("dev_").to_uppercase());
    let text = format!("retrosync.s3.2\n{id}\n{}", device.token_sha256);
    let secret = Digest::from_bytes(sha256(key.bytes(), text.as_bytes())).to_string()[..40].to_owned();
    Credentials { id, secret }
}

/// What a request says of its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed<'a> {
    id: &'a str,
    scope: &'a str,
    headers: Vec<&'a str>,
    signature: &'a str,
    date: &'a str,
    /// What the client says of its body.
    pub(super) body: &'a str,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// No signature, or none that we know.
    Unsigned,
    /// It is signed for another time.
    Skewed,
    /// The signature is not of this request and key.
    Wrong,
}

impl<'a> Signed<'a> {
    /// Reads the headers of a request.
    pub(super) fn read(headers: &'a HeaderMap) -> Option<Signed<'a>> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let rest = text("authorization")?.strip_prefix("AWS4-HMAC-SHA256")?;
        let part = |name: &str| rest.split(',').map(str::trim).find_map(|part| part.strip_prefix(name));
        let (id, scope) = part("Credential=")?.split_once('/')?;
        Some(Signed {
            id,
            scope,
            headers: part("SignedHeaders=")?.split(';').collect(),
            signature: part("Signature=")?,
            date: text("x-amz-date")?,
            body: text("x-amz-content-sha256")?,
        })
    }

    /// The device whose key it is said to be.
    pub(super) fn device(&self) -> Option<DeviceId> {
        format!("dev_{}", self.id.strip_prefix("RS")?.to_lowercase()).parse().ok()
    }

    /// Is it signed with this secret, and now?
    pub(super) fn check(
        &self,
        secret: &str,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        now_unix_s: i64,
    ) -> Result<(), Refused> {
        if !["host", "x-amz-date", "x-amz-content-sha256"].iter().all(|name| self.headers.contains(name)) {
            return Err(Refused::Unsigned);
        }
        let signature = self.expected(secret, method, uri, headers).ok_or(Refused::Unsigned)?;
        let differences =
            signature.bytes().zip(self.signature.bytes()).fold(0, |found, (a, b)| found | (a ^ b));
        if signature.len() != self.signature.len() || std::hint::black_box(differences) != 0 {
            return Err(Refused::Wrong);
        }
        let at = read_date(self.date).ok_or(Refused::Unsigned)?;
        if (now_unix_s - at).abs() > SKEW_S { Err(Refused::Skewed) } else { Ok(()) }
    }

    fn expected(&self, secret: &str, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let mut query: Vec<String> = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
            .collect();
        query.sort();
        let mut lines = String::new();
        for name in &self.headers {
            let values: Vec<String> = headers
                .get_all(*name)
                .iter()
                .map(|value| Some(value.to_str().ok()?.split_whitespace().collect::<Vec<_>>().join(" ")))
                .collect::<Option<_>>()?;
            if values.is_empty() {
                return None;
            }
            lines.push_str(&format!("{name}:{}\n", values.join(",")));
        }
        let request = format!(
            "{method}\n{}\n{}\n{lines}\n{}\n{}",
            uri.path(),
            query.join("&"),
            self.headers.join(";"),
            self.body
        );
        let text =
            format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.date, self.scope, Digest::of(request.as_bytes()));
        let key = self
            .scope
            .split('/')
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| sha256(&key, part.as_bytes()).to_vec());
        Some(Digest::from_bytes(sha256(&key, text.as_bytes())).to_string())
    }
}

/// `20261120T141448Z`
fn read_date(text: &str) -> Option<i64> {
    let fits = text.len() == 16 && text.is_ascii();
    let part = |from: usize, to: usize| text.get(from..to);
    let iso = fits.then(|| {
        Some(format!(
            "{}-{}-{}T{}:{}:{}Z",
            part(0, 4)?,
            part(4, 6)?,
            part(6, 8)?,
            part(9, 11)?,
            part(11, 13)?,
            part(13, 15)?
        ))
    })??;
    super::times::read_iso(&iso).map(|ms| ms / 1000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The example of the S3 documentation: GET of an object with a range.
    #[test]
    fn the_documented_example_is_right_and_anything_else_is_not() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", empty),
            ("x-amz-date", "20130524T000000Z"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                 SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
                 Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let (secret, at) = ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 1_369_353_600);
        let uri: Uri = "/test.txt".parse().unwrap();
        let signed = Signed::read(&headers).unwrap();
        assert_eq!(signed.check(secret, &Method::GET, &uri, &headers, at), Ok(()));
        assert_eq!(signed.check(secret, &Method::GET, &uri, &headers, at + 901), Err(Refused::Skewed));
        assert_eq!(signed.check("another", &Method::GET, &uri, &headers, at), Err(Refused::Wrong));
        assert_eq!(signed.check(secret, &Method::PUT, &uri, &headers, at), Err(Refused::Wrong));
        let other: Uri = "/other.txt".parse().unwrap();
        assert_eq!(signed.check(secret, &Method::GET, &other, &headers, at), Err(Refused::Wrong));
        let mut ranged = headers.clone();
        ranged.insert("range", "bytes=0-99".parse().unwrap());
        assert_eq!(signed.check(secret, &Method::GET, &uri, &ranged, at), Err(Refused::Wrong));
    }
}
