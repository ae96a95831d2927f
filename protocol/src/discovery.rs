//! How a device finds a server in its own network: one datagram there, one back.
//!
//! The question is as long as the longest answer, so that nobody can make a server shout at another. Anybody in the network
//! may answer, and nothing proves who did: an answer is a suggestion that a person sees, with its sender, before it is used.
//! So plain HTTP, which proves nothing either, is only believed of the host that answers, and no address may look like
//! another (`http://nas@elsewhere`).

/// The UDP port that servers answer on.
pub const PORT: u16 = 8377;
/// The question begins with this; zeros follow.
const QUESTION: &[u8] = b"retrosync where?";
/// The answer begins with this; an address follows.
const ANSWER: &str = "retrosync here ";
/// How long a question is, and an answer at most, in bytes.
pub const BYTES: usize = 256;
/// Stands in an answer's address for the host that the answer comes from.
const HERE: &str = "*";
const PLAIN: &str = "http://";
const SECURE: &str = "https://";

/// The question.
pub fn question() -> [u8; BYTES] {
    let mut question = [0; BYTES];
    question[..QUESTION.len()].copy_from_slice(QUESTION);
    question
}

/// Is it the question, whole?
pub fn is_question(datagram: &[u8]) -> bool {
    datagram == question()
}

/// The answer of a server: its public address if it has one, else the port on the host that answers, which speaks TLS or does
/// not; nothing where the address is too long for it. A public address of plain HTTP is told as the host that answers, for no
/// other is believed.
pub fn answer(public_url: Option<&str>, speaks_tls: bool, port: u16) -> Option<String> {
    let address = match public_url {
        None => format!("{}{HERE}:{port}", if speaks_tls { SECURE } else { PLAIN }),
        Some(url) => match url.strip_prefix(PLAIN) {
            Some(place) => format!("{PLAIN}{HERE}{}", &place[host_of(place).len()..]),
            None => url.to_owned(),
        },
    };
    let answer = format!("{ANSWER}{address}");
    (answer.len() <= BYTES).then_some(answer)
}

/// The address in an answer that came from that host (an IPv6 address in brackets).
pub fn address(datagram: &[u8], host: &str) -> Option<String> {
    let text = std::str::from_utf8(datagram.get(..datagram.len().min(BYTES))?).ok()?;
    let address = text.strip_prefix(ANSWER)?;
    // Nothing that ends a host elsewhere than a person thinks.
    let is_odd = |letter: char| !letter.is_ascii_graphic() || "@\\?#".contains(letter);
    if address.contains(is_odd) {
        return None;
    }
    if let Some(place) = address.strip_prefix(PLAIN) {
        let named = host_of(place);
        return (named == HERE || named == host).then(|| format!("{PLAIN}{host}{}", &place[named.len()..]));
    }
    let place = address.strip_prefix(SECURE)?;
    match host_of(place) {
        "" => None,
        HERE => Some(format!("{SECURE}{host}{}", &place[HERE.len()..])),
        _ => Some(address.to_owned()),
    }
}

/// The host at the beginning of what follows a scheme, without its port; an IPv6 address with its brackets.
pub fn host_of(place: &str) -> &str {
    let end = match place.strip_prefix('[') {
        Some(rest) => rest.find(']').map(|at| at + 2),
        None => place.find([':', '/']),
    };
    &place[..end.unwrap_or(place.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_found_at_the_host_that_answers_or_where_it_says() {
        let here = [(false, "http://192.168.1.9:8377"), (true, "https://192.168.1.9:8377")];
        for (speaks_tls, found) in here {
            let said = answer(None, speaks_tls, 8377).unwrap_or_default();
            assert_eq!(address(said.as_bytes(), "192.168.1.9").as_deref(), Some(found), "no public address");
        }
        let rows: [(&str, Option<&str>, &str, &str); 6] = [
            ("encrypted, by IPv6", Some("https://*:8377"), "[fd00::9]", "https://[fd00::9]:8377"),
            ("a public one", Some("https://saves.example"), "192.168.1.9", "https://saves.example"),
            ("a path", Some("https://a.example:1/saves"), "192.168.1.9", "https://a.example:1/saves"),
            ("a name without encryption", Some("http://nas.local:80/x"), "10.0.0.2", "http://10.0.0.2:80/x"),
            ("a name without a port", Some("http://nas.local"), "10.0.0.2", "http://10.0.0.2"),
            ("by IPv6", Some("http://[fd00::7]:80"), "[fd00::9]", "http://[fd00::9]:80"),
        ];
        for (row, public, host, found) in rows {
            let said = answer(public, false, 8377).unwrap_or_default();
            assert_eq!(address(said.as_bytes(), host).as_deref(), Some(found), "{row}");
        }
        let long = format!("https://{}.example", "a".repeat(BYTES));
        assert_eq!(answer(Some(&long), true, 1), None, "an address that fits no datagram");
    }

    #[test]
    fn what_is_no_answer_is_no_address() {
        let rows: [(&str, &[u8]); 14] = [
            ("nothing", b""),
            ("noise", &[0xff; 40]),
            ("the question", &question()),
            ("another scheme", b"retrosync here ftp://a"),
            ("a blank in it", b"retrosync here http://a b"),
            ("an escape in it", b"retrosync here http://a\x1b[2J"),
            ("another host without encryption", b"retrosync here http://10.0.0.3:8377"),
            ("a name without encryption", b"retrosync here http://nas.local:8377"),
            ("a host that looks like another", b"retrosync here https://nas.local@evil.example"),
            ("the same of the sender", b"retrosync here http://10.0.0.2@evil.example"),
            ("a backslash", b"retrosync here http://10.0.0.2\\@evil.example"),
            ("a host that begins alike", b"retrosync here http://10.0.0.22:8377"),
            ("a star in a longer name", b"retrosync here http://*.evil.example"),
            ("no host", b"retrosync here https://:443"),
        ];
        for (row, datagram) in rows {
            assert_eq!(address(datagram, "10.0.0.2"), None, "{row}");
        }
        let own = address(b"retrosync here http://10.0.0.2:8377", "10.0.0.2");
        assert_eq!(own.as_deref(), Some("http://10.0.0.2:8377"), "the sender by its own name");
        assert!(
            is_question(&question()) && !is_question(&question()[..40]),
            "a short question gets no long answer"
        );
    }
}
