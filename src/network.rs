//! Is there a way out? No request is made without a route.
//!
//! Reads `/proc/net/route` and `/proc/net/ipv6_route`; where neither can be read (another kernel, a sandbox) it says
//! yes, for a request that fails costs less than a device that never asks. Never sends anything.

use std::fs;

/// Does the kernel know a route that leaves this machine?
pub fn has_route() -> bool {
    let v4 = fs::read_to_string("/proc/net/route");
    let v6 = fs::read_to_string("/proc/net/ipv6_route");
    match (v4, v6) {
        (Err(_), Err(_)) => true,
        (v4, v6) => leads_out(&v4.unwrap_or_default(), &v6.unwrap_or_default()),
    }
}

/// The same over the texts of the two tables.
fn leads_out(v4: &str, v6: &str) -> bool {
    const UP: u32 = 1;
    const REJECT: u32 = 0x200;
    let usable = |interface: &str, flags: &str| {
        let flags = u32::from_str_radix(flags, 16).unwrap_or(0);
        interface != "lo" && flags & UP != 0 && flags & REJECT == 0
    };
    let v4 = v4.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let v6 = v6.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    // Iface Destination Gateway Flags …
    v4.into_iter().any(|f| matches!(f[..], [interface, _, _, flags, ..] if usable(interface, flags)))
        // dest len source len gateway metric refs use flags interface; link-local and multicast lead nowhere
        || v6.into_iter().any(|f| {
            matches!(f[..], [to, .., flags, interface] if f.len() == 10
                && !to.starts_with("fe8") && !to.starts_with("ff") && usable(interface, flags))
        })
}

#[cfg(test)]
mod tests {
    use super::leads_out;

    const HEAD: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";

    #[test]
    fn each_table_is_judged_by_its_routes() {
        let zero = "0".repeat(32);
        let v6 = |to: &str, flags: &str, interface: &str| {
            format!("{to} 40 {zero} 00 {zero} 00000100 00000001 00000000 {flags} {interface}\n")
        };
        let global = format!("20010db8{}", "0".repeat(24));
        let link_local = format!("fe80{}", "0".repeat(28));
        let rows = [
            ("no routes at all", HEAD.to_owned(), String::new(), false),
            (
                "a default route",
                format!("{HEAD}wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"),
                String::new(),
                true,
            ),
            (
                "a route on the link only: a server in the house",
                format!("{HEAD}wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n"),
                String::new(),
                true,
            ),
            (
                "a route that is down",
                format!("{HEAD}wlan0\t00000000\t0101A8C0\t0002\t0\t0\t600\t00000000\t0\t0\t0\n"),
                String::new(),
                false,
            ),
            (
                "loopback leads nowhere",
                format!("{HEAD}lo\t0000007F\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"),
                v6(&zero, "00000001", "lo"),
                false,
            ),
            ("only link-local over IPv6", HEAD.to_owned(), v6(&link_local, "00000001", "wlan0"), false),
            ("an unreachable default over IPv6", HEAD.to_owned(), v6(&zero, "00200201", "wlan0"), false),
            ("a network over IPv6", HEAD.to_owned(), v6(&global, "00000001", "wlan0"), true),
            ("garbage", "x".to_owned(), "y z\n\n".to_owned(), false),
        ];
        for (row, v4, v6, leads) in rows {
            assert_eq!(leads_out(&v4, &v6), leads, "{row}");
        }
    }
}
