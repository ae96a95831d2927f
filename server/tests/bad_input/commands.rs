//! Command lines that are wrong.

use crate::support::Server;

#[test]
fn a_command_line_that_is_wrong_says_what_and_exits_2_or_1() {
    let server = Server::start();
    let rows: [(&[&str], i32, &str); 6] = [
        (&["serv"], 2, "serve"),
        (&["serve", "--listen", "everywhere"], 2, "everywhere"),
        (&["approve", "ABC"], 2, "pairing code"),
        (&["approve", "AAAA-AAAA"], 1, "user add"),
        (&["user", "code", "nobody"], 1, "nobody"),
        (&["user", "add", "ada", "--password-stdin"], 1, "password"),
    ];
    for (arguments, exit, told) in rows {
        let output = server.cli_with_input(arguments, "short\n");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {text}");
        assert!(text.contains(told), "{arguments:?}: {text}");
    }
    let second = server.cli(&["serve", "--listen", "127.0.0.1:0"]);
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(1) && text.contains("another server"), "{text}");
    let made = server.cli(&["user", "add", "bob"]);
    let text = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success() && text.contains("password  "), "{text}");
}
