//! Where our server is, and to which addresses plain HTTP may go.
//!
//! The name is judged by what it resolves to, at each connection, so that no name and no change of a name can lead
//! a token in clear out of the local network.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::error::{Error, Kind, Result};

/// The address of a server: scheme, host, perhaps a port and a path.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerAddress {
    base: String,
    host: String,
    port: u16,
    secure: bool,
}

impl ServerAddress {
    /// Reads what the user wrote: `http://nas:8377` or `https://example.org/retrosync`.
    ///
    /// # Errors
    /// `Misused`, when it is not of this form or carries a password, a query or a fragment.
    pub fn parse(text: &str) -> Result<ServerAddress> {
        let refuse = |cause: &str, help: String| {
            Err(Error::new(Kind::Misused, format!("cannot use `{}` as server", without_user(text)), cause)
                .help(help))
        };
        let example = "write it as `http://192.168.1.10:8377` or `https://saves.example.org`";
        let text = text.trim();
        if !text.contains("://") {
            return refuse("it has no `http://` or `https://`", format!("did you mean `http://{text}`?"));
        }
        let Ok(uri) = text.parse::<Uri>() else {
            return refuse("it is not an address", example.into());
        };
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return refuse("it is neither `http` nor `https`", example.into()),
        };
        let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
            return refuse("it names no host", example.into());
        };
        if authority.as_str().contains('@') {
            return refuse(
                "it holds a user or a password",
                "a device has its own token: leave them out".into(),
            );
        }
        if uri.query().is_some() || text.contains('#') {
            return refuse("it has a `?` or a `#`", example.into());
        }
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix(retrosync_protocol::BASE_PATH).unwrap_or(path);
        let scheme = if secure { "https" } else { "http" };
        Ok(ServerAddress {
            base: format!("{scheme}://{authority}{path}"),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            secure,
        })
    }

    /// The address without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.base
    }

    /// The host's name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Is it `https`?
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

/// A password that was written into the address is not repeated in an error.
fn without_user(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}…{}", &text[..scheme + 3], &text[at..]),
        _ => text.chars().take(200).collect(),
    }
}

/// Is it this machine, or an address that routers do not pass on?
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private(IpAddr::V4(v4)),
            None => v6 == Ipv6Addr::LOCALHOST || v6.is_unique_local() || v6.is_unicast_link_local(),
        },
    }
}

/// Is it this machine?
pub(super) fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(v6 == Ipv6Addr::LOCALHOST, |v4| v4.is_loopback()),
    }
}

/// Plain HTTP to an address that is not allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlainRefused {
    /// Where it would have gone.
    pub address: IpAddr,
}

impl fmt::Display for PlainRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plain http to {} would show the token to others", self.address)
    }
}

impl std::error::Error for PlainRefused {}

/// Resolves names, and lets plain HTTP go only where it may.
#[derive(Debug, Default)]
pub(super) struct GuardedResolver {
    /// Private addresses are allowed, not only loopback.
    pub plain_http: bool,
    inner: DefaultResolver,
}

impl GuardedResolver {
    pub(super) fn new(plain_http: bool) -> GuardedResolver {
        GuardedResolver { plain_http, inner: DefaultResolver::default() }
    }

    /// Plain HTTP that could go nowhere it may: known before anything is sent. A name that is not known yet may be later.
    pub(super) fn refuses(&self, address: &ServerAddress) -> Option<PlainRefused> {
        if address.is_secure() {
            return None;
        }
        let found = (address.host(), address.port()).to_socket_addrs().ok()?;
        let found: Vec<IpAddr> = found.map(|found| found.ip()).collect();
        let first = *found.first()?;
        (!found.iter().any(|ip| self.allows(*ip))).then_some(PlainRefused { address: first })
    }

    fn allows(&self, address: IpAddr) -> bool {
        is_loopback(address) || (self.plain_http && is_private(address))
    }
}

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = match numeric(uri) {
            // Without a name there is nothing to ask, and no thread to do it.
            Some(address) => {
                let mut found = self.empty();
                found.push(address);
                found
            }
            None => self.inner.resolve(uri, config, timeout)?,
        };
        if uri.scheme_str() == Some("https") {
            return Ok(found);
        }
        let mut allowed = self.empty();
        for address in found.iter().filter(|address| self.allows(address.ip())) {
            allowed.push(*address);
        }
        match found.iter().next() {
            Some(first) if allowed.is_empty() => {
                Err(ureq::Error::Other(Box::new(PlainRefused { address: first.ip() })))
            }
            _ => Ok(allowed),
        }
    }
}

/// The address of a host that is written in numbers.
fn numeric(uri: &Uri) -> Option<SocketAddr> {
    let address = uri.host()?.trim_matches(['[', ']']).parse().ok()?;
    let port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Some(SocketAddr::new(address, uri.port_u16().unwrap_or(port)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_is_read_as_people_write_it() {
        for (text, base, host, port) in [
            ("http://nas:8377", "http://nas:8377", "nas", 8377),
            (" https://saves.example.org/ ", "https://saves.example.org", "saves.example.org", 443),
            ("http://[::1]:9/retro/", "http://[::1]:9/retro", "::1", 9),
            ("http://nas:8377/api/v1", "http://nas:8377", "nas", 8377),
        ] {
            let address = ServerAddress::parse(text).unwrap();
            assert_eq!((address.as_str(), address.host(), address.port()), (base, host, port), "{text}");
        }
    }

    #[test]
    fn each_wrong_address_is_refused_with_its_reason() {
        for (text, cause) in [
            ("nas:8377", "it has no `http://` or `https://`"),
            ("ftp://nas", "it is neither `http` nor `https`"),
            ("http://", "it is not an address"),
            ("http://a b", "it is not an address"),
            ("http://nas/?x=1", "it has a `?` or a `#`"),
            ("http://ada:secret@nas", "it holds a user or a password"),
        ] {
            let error = ServerAddress::parse(text).unwrap_err();
            assert_eq!((error.kind, error.cause.as_str()), (Kind::Misused, cause), "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn only_addresses_that_stay_at_home_are_private() {
        for (text, private, loopback) in [
            ("127.0.0.1", true, true),
            ("::1", true, true),
            ("::ffff:127.0.0.1", true, true),
            ("192.168.1.10", true, false),
            ("10.1.2.3", true, false),
            ("172.31.0.1", true, false),
            ("172.32.0.1", false, false),
            ("169.254.3.4", true, false),
            ("fd00::1", true, false),
            ("fe80::1", true, false),
            ("8.8.8.8", false, false),
            ("100.64.0.1", false, false),
            ("2001:db8::1", false, false),
            ("::ffff:8.8.8.8", false, false),
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!((is_private(address), is_loopback(address)), (private, loopback), "{text}");
        }
    }
}
