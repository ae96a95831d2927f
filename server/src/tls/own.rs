//! The certificate that the server signs itself: made once, kept in its data directory, so that devices that pinned its key
//! know the server for ever.
//!
//! The key is what counts; where only the certificate is gone, a new one is made around the same key. Dates and serial numbers
//! say nothing: neither this machine's clock nor a device's is needed.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType, date_time_ymd,
};
use retrosync_protocol::discovery::host_of;

use super::TlsError;
use crate::keep::write_private;

/// Below the data directory.
pub const FOLDER: &str = "tls";
const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.pem";
/// From before any clock that is right, to after everybody's.
const YEARS: (i32, i32) = (2020, 2120);

/// The files of the certificate and of its key; what is not there is made.
pub(super) fn kept(data: &Path, public_url: Option<&str>) -> Result<(PathBuf, PathBuf), TlsError> {
    let folder = data.join(FOLDER);
    let (certificate, key) = (folder.join(CERTIFICATE), folder.join(KEY));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(TlsError::at("make the folder", &folder))?;
    let pair = match fs::read_to_string(&key) {
        Ok(text) => KeyPair::from_pem(&text).map_err(|why| {
            TlsError(format!(
                "cannot use the server's own key `{}`: {why}; put it back from a backup, or remove it, and pair every device again",
                key.display()
            ))
        })?,
        Err(why) if why.kind() == ErrorKind::NotFound => {
            let pair = KeyPair::generate().map_err(TlsError::at("make a key for", &folder))?;
            keep(&key, &pair.serialize_pem())?;
            // One around another key is of no use any more.
            let _ = fs::remove_file(&certificate);
            pair
        }
        Err(why) => return Err(TlsError::at("read the server's own key", &key)(why)),
    };
    if !certificate.exists() {
        let made = params(public_url).and_then(|params| params.self_signed(&pair));
        let made = made.map_err(TlsError::at("make a certificate for", &folder))?;
        keep(&certificate, &made.pem())?;
    }
    Ok((certificate, key))
}

fn params(public_url: Option<&str>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(YEARS.0, 1, 1);
    params.not_after = date_time_ymd(YEARS.1, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "RetroSync, signed by itself");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for name in names(public_url) {
        params.subject_alt_names.push(match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.try_into()?),
        });
    }
    Ok(params)
}

/// What people may type to reach this machine: each once.
fn names(public_url: Option<&str>) -> Vec<String> {
    let place = public_url.and_then(|url| url.split_once("://")).map_or("", |(_, place)| place);
    let mut names = vec![host_of(place).trim_matches(['[', ']']).to_owned(), "localhost".to_owned()];
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    names.extend([host.to_owned(), format!("{host}.local")]);
    names.extend(addresses().iter().map(IpAddr::to_string));
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        if is_name(&name) && !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

/// Could it be a host's name or address?
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    !text.is_empty() && text.len() <= 253 && !text.starts_with('.') && text.chars().all(fits)
}

/// The machine's addresses, as Linux tells them; none where it does not.
fn addresses() -> Vec<IpAddr> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let mut found: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    found.extend(of_fib_trie(&read("/proc/net/fib_trie")));
    found.extend(of_if_inet6(&read("/proc/net/if_inet6")));
    found
}

/// `/proc/net/fib_trie`: an own address is a line `|-- 192.168.1.9` before one that begins with `/32 host LOCAL`.
fn of_fib_trie(text: &str) -> Vec<IpAddr> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let own = lines.windows(2).filter(|pair| pair[1].starts_with("/32 host LOCAL"));
    own.filter_map(|pair| pair[0].strip_prefix("|-- ")?.parse::<Ipv4Addr>().ok()).map(IpAddr::V4).collect()
}

/// `/proc/net/if_inet6`: an address is the first word of a line, 32 hex digits.
fn of_if_inet6(text: &str) -> Vec<IpAddr> {
    let words =
        text.lines().filter_map(|line| line.split_whitespace().next()).filter(|word| word.len() == 32);
    words
        .filter_map(|word| u128::from_str_radix(word, 16).ok())
        .map(|bits| Ipv6Addr::from(bits).into())
        .collect()
}

fn keep(path: &Path, text: &str) -> Result<(), TlsError> {
    write_private(path, text).map_err(TlsError::at("keep", path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_machines_addresses_are_read_as_linux_tells_them() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 192.168.1.0\n        /24 link UNICAST\n     |-- 192.168.1.9\n        /32 host LOCAL\n     |-- 192.168.1.255\n        /32 link BROADCAST\n";
        assert_eq!(of_fib_trie(trie), ["192.168.1.9".parse::<IpAddr>().unwrap()]);
        let inet6 = "fd000000000000000000000000000009 02 40 00 80     eth0\nnonsense\n";
        assert_eq!(of_if_inet6(inet6), ["fd00::9".parse::<IpAddr>().unwrap()]);
        assert!(of_fib_trie("").is_empty() && of_if_inet6("").is_empty());
    }

    #[test]
    fn a_name_that_no_certificate_can_bear_is_left_out() {
        for (public, name) in [
            ("https://nas.example:8377", "nas.example"),
            ("https://[fd00::7]:1/x", "fd00::7"),
            ("http://10.0.0.7", "10.0.0.7"),
        ] {
            assert_eq!(names(Some(public))[0], name);
        }
        let usual = names(None);
        assert!(
            usual.contains(&"localhost".to_owned()) && usual.contains(&"127.0.0.1".to_owned()),
            "{usual:?}"
        );
        assert!(names(Some("https://näs")).iter().all(|name| name.is_ascii()));
    }
}
