//! How a device finds a server in its own network: one datagram there, one back.
//!
//! The question is as long as the longest answer, so that nobody can make a server shout at another. What is found is a
//! suggestion: a person chooses it, and the pairing code still decides.

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

/// The answer of a server: its public address if it has one, else the port on the host that answers; nothing where the
/// address is too long for it.
pub fn answer(public_url: Option<&str>, port: u16) -> Option<String> {
    let own = format!("http://{HERE}:{port}");
    let answer = format!("{ANSWER}{}", public_url.unwrap_or(&own));
    (answer.len() <= BYTES).then_some(answer)
}

/// The address in an answer that came from that host (an IPv6 address in brackets).
pub fn address(datagram: &[u8], host: &str) -> Option<String> {
    let text = std::str::from_utf8(datagram.get(..datagram.len().min(BYTES))?).ok()?;
    let address = text.strip_prefix(ANSWER)?;
    let plain = |letter: char| letter.is_ascii_graphic();
    let is_web = address.starts_with("http://") || address.starts_with("https://");
    (is_web && address.chars().all(plain)).then(|| address.replacen(HERE, host, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_found_at_the_host_that_answers_or_where_it_says() {
        let rows: [(&str, Option<&str>, Option<&str>); 2] = [
            ("no public address", None, Some("http://192.168.1.9:8377")),
            ("a public one", Some("https://saves.example"), Some("https://saves.example")),
        ];
        for (row, public, found) in rows {
            let said = answer(public, 8377).unwrap_or_default();
            assert_eq!(address(said.as_bytes(), "192.168.1.9").as_deref(), found, "{row}");
        }
        let long = format!("https://{}.example", "a".repeat(BYTES));
        assert_eq!(answer(Some(&long), 1), None, "an address that fits no datagram");
    }

    #[test]
    fn what_is_no_answer_is_no_address() {
        let rows: [(&str, &[u8]); 6] = [
            ("nothing", b""),
            ("noise", &[0xff; 40]),
            ("the question", &question()),
            ("another scheme", b"retrosync here ftp://a"),
            ("a blank in it", b"retrosync here http://a b"),
            ("an escape in it", b"retrosync here http://a\x1b[2J"),
        ];
        for (row, datagram) in rows {
            assert_eq!(address(datagram, "h"), None, "{row}");
        }
        assert!(
            is_question(&question()) && !is_question(&question()[..40]),
            "a short question gets no long answer"
        );
    }
}
