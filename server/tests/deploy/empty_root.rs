//! The container without Docker: the program alone in an empty root that cannot be written, as a user without rights, with one
//! folder for its data; and asked by itself whether it is well.
//!
//! The program is `dist/retrosync-server-x86_64`, what the Dockerfile's command builds, where `scripts/build server-x86_64` was
//! run; else this build of it, with the libraries that it is linked with.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{PROGRAM, not_tried, project};

/// The numeric user of the Dockerfile.
const USER: &str = "10001";

/// Copies the program into a root, with what it needs to be loaded.
fn lay_out(root: &Path) {
    let fixed = project().join("dist/retrosync-server-x86_64");
    let program = if fixed.exists() { fixed } else { PathBuf::from(PROGRAM) };
    std::fs::create_dir_all(root.join("data")).unwrap();
    std::fs::copy(&program, root.join("retrosync-server")).unwrap();
    let output = Command::new("ldd").arg(&program).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for library in said.split_whitespace().filter(|word| word.starts_with('/')) {
        let copy = root.join(library.trim_start_matches('/'));
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(library, &copy).unwrap();
    }
}

/// Runs words in that root.
fn inside(root: &Path, data: &Path, words: &[&str]) -> Command {
    let line = r#"set -e
        mount --bind "$1" "$1"
        mount --bind "$2" "$1/data"
        mount -o remount,bind,ro "$1"
        root=$1; shift 2
        exec chroot --userspec="$0:$0" "$root" /retrosync-server "$@""#;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation=private", "sh", "-c", line, USER])
        .arg(root)
        .arg(data)
        .args(words);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("RETROSYNC_DATA", "/data");
    command.env("SQLITE_TMPDIR", "/data").env("RETROSYNC_TLS_SELF_SIGNED", "true").stdin(Stdio::null());
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_server_needs_nothing_but_itself_and_one_folder_that_it_may_write() {
    let may_mount = Command::new("unshare").args(["--mount", "true"]).output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        return not_tried("an empty root", "the right to mount");
    }
    let folder = tempfile::tempdir().unwrap();
    let (root, data) = (folder.path().join("root"), folder.path().join("data"));
    lay_out(&root);
    std::fs::create_dir(&data).unwrap();
    // Others must reach the folders on the way; what a container's runtime does with its own.
    for (path, mode) in [(folder.path(), 0o755), (root.as_path(), 0o755), (data.as_path(), 0o700)] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let user = USER.parse().unwrap();
    std::os::unix::fs::chown(&data, Some(user), Some(user)).unwrap();

    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let words = ["serve", "--listen", "127.0.0.1:0", "--ready-file", "/data/ready"];
    let mut command = inside(&root, &data, &words);
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let mut server = Running(command.spawn().unwrap());
    let said = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    let began = Instant::now();
    let url = loop {
        if let Ok(url) = std::fs::read_to_string(data.join("ready")) {
            break url;
        }
        assert!(server.0.try_wait().unwrap().is_none(), "it ended: {}", said());
        assert!(began.elapsed() < Duration::from_secs(60), "{}", said());
        std::thread::sleep(Duration::from_millis(20));
    };
    let port = url.trim().rsplit(':').next().unwrap().to_owned();

    // As the image's HEALTHCHECK asks.
    let asked =
        inside(&root, &data, &["health", "--set", &format!("listen=127.0.0.1:{port}")]).output().unwrap();
    assert!(asked.status.success(), "{asked:?}\n{}", said());
    assert_eq!(String::from_utf8_lossy(&asked.stdout), "ready\n");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.0.id())).unwrap();
    let ids = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    assert_eq!(ids.split_whitespace().nth(1), Some(USER), "{ids}");
    assert!(data.join("catalog.sqlite").exists() && data.join("tls/key.pem").exists());

    // SIGTERM, as a runtime stops it.
    assert!(Command::new("kill").arg(server.0.id().to_string()).status().unwrap().success());
    assert_eq!(server.0.wait().unwrap().code(), Some(0), "{}", said());
}
