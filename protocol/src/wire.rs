//! Messages as they lie on the wire, where that is not how programs want them: plain fields side by side.
//!
//! serde's own ways of reading such forms, `tag` and `flatten`, first read any JSON into a tree: 25 KB of code on a card.

use serde::{Deserialize, Serialize};

use crate::{ClaimRequest, Code, Digest, Head, PairingRequest, Problem, StoreResult, UserCode, VersionId};

/// [`ClaimRequest`].
#[derive(Serialize, Deserialize)]
pub(crate) struct Claim {
    user_code: UserCode,
    token_sha256: Digest,
    device_name: String,
    #[serde(default)]
    profile: String,
    #[serde(default)]
    client: String,
}

impl From<Claim> for ClaimRequest {
    fn from(claim: Claim) -> ClaimRequest {
        let Claim { user_code, token_sha256, device_name, profile, client } = claim;
        ClaimRequest { user_code, device: PairingRequest { token_sha256, device_name, profile, client } }
    }
}

impl From<ClaimRequest> for Claim {
    fn from(request: ClaimRequest) -> Claim {
        let PairingRequest { token_sha256, device_name, profile, client } = request.device;
        Claim { user_code: request.user_code, token_sha256, device_name, profile, client }
    }
}

/// [`StoreResult`]: the fields of every outcome.
#[derive(Deserialize)]
pub(crate) struct Stored {
    outcome: String,
    version: Option<VersionId>,
    heads: Option<Vec<Head>>,
    problem: Option<Problem>,
}

impl TryFrom<Stored> for StoreResult {
    type Error = String;

    fn try_from(stored: Stored) -> Result<StoreResult, String> {
        let Stored { outcome, version, heads, problem } = stored;
        let lacks = |field| format!("the outcome `{outcome}` lacks its `{field}`");
        let (is_head, is_refused) = (outcome == "head", outcome == "refused");
        if is_head || outcome == "branch" {
            let version = version.ok_or_else(|| lacks("version"))?;
            let heads = heads.ok_or_else(|| lacks("heads"))?;
            return Ok(match is_head {
                true => StoreResult::Head { version, heads },
                false => StoreResult::Branch { version, heads },
            });
        }
        let problem = match problem {
            Some(problem) => problem,
            None if is_refused => return Err(lacks("problem")),
            None => Problem::new(
                Code::Unknown,
                format!("the server's answer is `{outcome}`, which is not known here"),
            )
            .help("update RetroSync on this device"),
        };
        Ok(StoreResult::Refused { problem })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::WriterId;

    fn head() -> Head {
        Head {
            version: Digest::of(b"v").to_string().parse().unwrap(),
            content: None,
            writer: WriterId::from_random(&[7; 16]),
            sequence: 3,
            device_name: "Flip".into(),
            played: None,
            received_unix_s: 9,
        }
    }

    #[test]
    fn every_outcome_travels_as_the_readme_shows_it() {
        let (version, heads) = (head().version, vec![head()]);
        let (v, h) = (version.to_string(), serde_json::to_string(&heads).unwrap());
        let problem = Problem::new(Code::DigestMismatch, "it is of other bytes");
        let p = serde_json::to_string(&problem).unwrap();
        for (result, text) in [
            (
                StoreResult::Head { version, heads: heads.clone() },
                format!(r#"{{"outcome":"head","version":"{v}","heads":{h}}}"#),
            ),
            (
                StoreResult::Branch { version, heads: Vec::new() },
                format!(r#"{{"outcome":"branch","version":"{v}","heads":[]}}"#),
            ),
            (StoreResult::Refused { problem }, format!(r#"{{"outcome":"refused","problem":{p}}}"#)),
        ] {
            assert_eq!(serde_json::to_string(&result).unwrap(), text);
            assert_eq!(serde_json::from_str::<StoreResult>(&text).unwrap(), result);
            // The fields come in any order, and a field of a later protocol is passed over.
            let (tag, rest) = text[1..text.len() - 1].split_once(',').unwrap();
            let turned = format!(r#"{{"later":{{"a":[1.5]}},{rest},{tag}}}"#);
            assert_eq!(serde_json::from_str::<StoreResult>(&turned).unwrap(), result, "{turned}");
        }
    }

    #[test]
    fn an_unknown_outcome_is_a_refusal_and_a_known_one_must_be_whole() {
        let read = |text: &str| serde_json::from_str::<StoreResult>(text);
        let told = r#"{"outcome":"parked","problem":{"code":"quota_full","detail":"full"}}"#;
        for (text, code) in [(r#"{"outcome":"parked","until":5}"#, Code::Unknown), (told, Code::QuotaFull)] {
            let StoreResult::Refused { problem } = read(text).unwrap() else { panic!("{text}") };
            assert_eq!(problem.code, code, "{text}");
        }
        let v = head().version;
        for (text, cause) in [
            (r#"{"outcome":"head","heads":[]}"#.to_owned(), "the outcome `head` lacks its `version`"),
            (format!(r#"{{"outcome":"branch","version":"{v}"}}"#), "the outcome `branch` lacks its `heads`"),
            (r#"{"outcome":"refused"}"#.to_owned(), "the outcome `refused` lacks its `problem`"),
            (r#"{"heads":[]}"#.to_owned(), "missing field `outcome`"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.starts_with(cause), "{text}: {error}");
        }
    }

    #[test]
    fn a_claim_travels_flat() {
        let token_sha256 = Digest::of(b"t");
        let device = |profile: &str, client: &str| PairingRequest {
            token_sha256,
            device_name: "Flip".into(),
            profile: profile.into(),
            client: client.into(),
        };
        let user_code = UserCode::from_random(&[3; 8]);
        let claim =
            ClaimRequest { user_code: user_code.clone(), device: device("onion", "retrosync/0.1.0 armv7") };
        let begin =
            format!(r#""user_code":"{user_code}","token_sha256":"{token_sha256}","device_name":"Flip""#);
        let text = format!(r#"{{{begin},"profile":"onion","client":"retrosync/0.1.0 armv7"}}"#);
        assert_eq!(serde_json::to_string(&claim).unwrap(), text);
        assert_eq!(serde_json::from_str::<ClaimRequest>(&text).unwrap(), claim);
        let short = ClaimRequest { user_code, device: device("", "") };
        assert_eq!(serde_json::from_str::<ClaimRequest>(&format!("{{{begin}}}")).unwrap(), short);
    }
}
