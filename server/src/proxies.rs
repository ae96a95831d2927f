//! Whom a request is from, for counting tries: the address of the connection, unless that is a proxy the owner named.
//!
//! Pure. Only what a named proxy says of its client is believed, and only as far back as named proxies go: anybody can
//! write any header. Where `Forwarded` (RFC 7239) and `X-Forwarded-For` are both there and disagree, one
//! of them came from the client, and neither is believed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use axum::http::HeaderMap;

/// An address, or all that begin like it: `192.168.1.5`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.address.is_ipv4() { 32 } else { 128 };
        if self.bits == whole {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.bits)
        }
    }
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoNetwork;

impl fmt::Display for NoNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an address such as 127.0.0.1, or a network such as 172.16.0.0/12")
    }
}

impl std::error::Error for NoNetwork {}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Network, NoNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(left, right)| (left, Some(right)));
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| NoNetwork)?;
        if bits <= most { Ok(Network { address, bits }) } else { Err(NoNetwork) }
    }
}

/// The proxies that the owner named; none: every connection speaks for itself.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Network>);

impl Proxies {
    /// These, and no others.
    pub fn new(networks: Vec<Network>) -> Proxies {
        Proxies(networks)
    }

    /// Is this one of them?
    pub(crate) fn knows(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.holds(address))
    }

    /// Whose request it is that came over a connection from `peer`.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.knows(peer) {
            return peer;
        }
        let standard = self.first_unknown(peer, &listed(headers, "forwarded"), forwarded_for);
        let usual = self.first_unknown(peer, &listed(headers, "x-forwarded-for"), address_of);
        match (standard, usual) {
            (Some(one), Some(other)) if one != other => peer,
            (one, other) => one.or(other).unwrap_or(peer),
        }
    }

    /// From the nearest hop on: the first address that is no proxy of ours. `None` without the header.
    fn first_unknown(
        &self,
        peer: IpAddr,
        hops: &[&str],
        read: impl Fn(&str) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let mut nearest = None;
        for hop in hops.iter().rev() {
            // What cannot be read (`unknown`, `_hidden`) is told by the proxy before it: no further back.
            let Some(address) = read(hop) else { return Some(nearest.unwrap_or(peer)) };
            nearest = Some(address);
            if !self.knows(address) {
                break;
            }
        }
        nearest
    }
}

/// The elements of a header that is a list, over all its lines; nearest hop last.
fn listed<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str().unwrap_or("?"));
    lines.flat_map(|line| line.split(',')).map(str::trim).collect()
}

/// The `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, node) = pairs.find(|(key, _)| key.eq_ignore_ascii_case("for"))?;
    address_of(node.trim().trim_matches('"'))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address_of(node: &str) -> Option<IpAddr> {
    let bare = match node.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => node.split_once(':').filter(|(_, port)| !port.contains(':')).map_or(node, |(left, _)| left),
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn client(proxies: &[&str], peer: &str, headers: &[(&'static str, &str)]) -> String {
        let proxies = Proxies::new(proxies.iter().map(|text| text.parse().unwrap()).collect());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn only_a_named_proxy_speaks_for_others() {
        const X: &str = "x-forwarded-for";
        const F: &str = "forwarded";
        // What it is, the proxies that are named, the connection's peer, headers, and whose request it is.
        type Row = (
            &'static str,
            &'static [&'static str],
            &'static str,
            &'static [(&'static str, &'static str)],
            &'static str,
        );
        let rows: [Row; 15] = [
            ("nobody is named", &[], "127.0.0.1", &[(X, "203.0.113.9")], "127.0.0.1"),
            ("another is named", &["10.0.0.1"], "10.0.0.2", &[(F, "for=203.0.113.9")], "10.0.0.2"),
            ("a proxy", &["127.0.0.1"], "127.0.0.1", &[(X, "203.0.113.9")], "203.0.113.9"),
            ("a proxy says nothing", &["127.0.0.1"], "127.0.0.1", &[], "127.0.0.1"),
            ("a network of them", &["10.0.0.0/8"], "10.9.8.7", &[(X, "203.0.113.9")], "203.0.113.9"),
            (
                "what the client wrote before",
                &["10.0.0.1"],
                "10.0.0.1",
                &[(X, "1.1.1.1, 203.0.113.9")],
                "203.0.113.9",
            ),
            ("in two lines", &["10.0.0.1"], "10.0.0.1", &[(X, "1.1.1.1"), (X, "203.0.113.9")], "203.0.113.9"),
            (
                "two proxies",
                &["10.0.0.0/8"],
                "10.0.0.1",
                &[(X, "1.1.1.1, 203.0.113.9, 10.0.0.2")],
                "203.0.113.9",
            ),
            ("proxies only", &["10.0.0.0/8"], "10.0.0.1", &[(X, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            (
                "the standard's form",
                &["10.0.0.1"],
                "10.0.0.1",
                &[(F, "for=1.1.1.1, For=\"203.0.113.9:80\";proto=https")],
                "203.0.113.9",
            ),
            ("an IPv6 client", &["fd00::/8"], "fd00::1", &[(F, "for=\"[2001:db8::1]:80\"")], "2001:db8::1"),
            ("a name that hides", &["10.0.0.1"], "10.0.0.1", &[(F, "for=_hidden")], "10.0.0.1"),
            ("no address", &["10.0.0.1"], "10.0.0.1", &[(X, "1.1.1.1, ")], "10.0.0.1"),
            (
                "both, and they agree",
                &["10.0.0.1"],
                "10.0.0.1",
                &[(X, "203.0.113.9"), (F, "for=203.0.113.9")],
                "203.0.113.9",
            ),
            (
                "one was the client's",
                &["10.0.0.1"],
                "10.0.0.1",
                &[(X, "203.0.113.9"), (F, "for=1.1.1.1")],
                "10.0.0.1",
            ),
        ];
        for (what, proxies, peer, headers, expected) in rows {
            assert_eq!(client(proxies, peer, headers), expected, "{what}");
        }
    }

    #[test]
    fn a_network_is_an_address_and_how_much_of_it_counts() {
        for text in ["", "nas", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0/8"] {
            assert_eq!(text.parse::<Network>(), Err(NoNetwork), "{text}");
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.holds([203, 0, 113, 9].into()) && !all.holds("::1".parse().unwrap()));
    }
}
