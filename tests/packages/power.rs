//! A device that is switched on: a process namespace whose first process runs the firmware's boot script and then its menu.
//!
//! What is killed with it dies as in a power cut. Processes are looked at from outside, where nothing has to be emulated.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::device::Device;
use crate::support::wait_for;

/// How long anything may take, on a machine that does much else.
const PATIENCE_S: u64 = 120;
/// A hook of the firmware that takes longer is not one that returns at once.
const HOOK_MOST: Duration = Duration::from_secs(60);

/// The first process. What its boot script starts gets a pipe and a descriptor, and a working directory on the card: who
/// keeps one of them keeps the firmware from going on, or the card from being taken out.
pub(crate) const INIT: &str = "\
mount -t proc proc /proc
export PATH=/bin:/usr/bin HOME=/root
(cd /firmware && sh /firmware/boot 9<\"$0\" 2>&1 | cat)
touch /tmp/booted
(while :; do tail -f /dev/null; done) &
while :; do wait; done
";

impl Device {
    /// Switches it on; returns when its boot script has.
    pub(crate) fn power_on(&self) -> On<'_> {
        let _ = fs::remove_dir_all(self.at("tmp"));
        fs::create_dir_all(self.at("tmp")).unwrap();
        let outside = "mount --make-rprivate / && cd \"$0\" && for node in null urandom; do \
             mount --bind /dev/$node dev/$node || exit 1; done; exec chroot . /bin/sh /firmware/init";
        let log = fs::File::create(self.at("firmware/boot.log")).unwrap();
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", outside])
            .arg(self.at("/"))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut on = On { device: self, first: 0, child };
        wait_for("the device boots", PATIENCE_S, || {
            assert!(on.child.try_wait().unwrap().is_none(), "it went off: {}", on.tell());
            self.at("tmp/booted").exists().then_some(())
        });
        on.first = wait_for("its first process", PATIENCE_S, || {
            processes().into_iter().find(|process| process.parent == on.child.id()).map(|process| process.id)
        });
        on
    }
}

/// The device, switched on.
pub(crate) struct On<'a> {
    device: &'a Device,
    first: u32,
    child: Child,
}

impl On<'_> {
    /// The id of its first process, here.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// A shell command in the device.
    pub(crate) fn command(&self, line: &str) -> Command {
        let first = self.first.to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &first, "--mount", "--pid", "--root", "--wd", "/bin/sh", "-c", line]);
        command.env_clear().env("PATH", "/bin:/usr/bin").env("HOME", "/root").stdin(Stdio::null());
        command
    }

    /// Runs a shell command in the device; its exit code and all that it said.
    pub(crate) fn run(&self, line: &str) -> (i32, String) {
        let output = self.command(line).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    /// What `retrosync status --json` says.
    pub(crate) fn status(&self) -> String {
        self.run(&format!("sh {}/run.sh status --json", self.device.firmware.app)).1
    }

    pub(crate) fn wait_until_running(&self) {
        self.wait_until("the daemon runs", || self.device.is_taken());
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(PATIENCE_S), "{what}: {}", self.tell());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Opens the app as the firmware's menu does.
    pub(crate) fn open_app(&self) -> Child {
        let mut command = self.command(self.device.firmware.open);
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Opens it and waits until it has ended.
    pub(crate) fn use_app(&self) {
        self.wait_for_end(self.open_app());
    }

    #[track_caller]
    pub(crate) fn wait_for_end(&self, mut app: Child) {
        self.wait_until("the app ends", || app.try_wait().unwrap().is_some());
    }

    /// Opens it, and leaves it open: the person looks at what the screen shows. Its program is replaced by one that waits
    /// for the person's B and is the true one for everybody else.
    pub(crate) fn keep_app_open(&self) -> Open<'_> {
        let app = self.device.firmware.app;
        let run = self.device.at(&format!("{app}/run.sh"));
        let text = fs::read(&run).unwrap();
        self.device.write(&format!("{app}/run.true.sh"), &String::from_utf8(text.clone()).unwrap());
        let waits = "until [ -e /tmp/pressed ]; do sleep 1; done; exit 0";
        let line = format!(
            "#!/bin/sh\nhere=${{0%/*}}\n[ \"$1\" != screen ] || {{ touch /tmp/looked; {waits}; }}\nexec sh \"$here/run.true.sh\" \"$@\"\n"
        );
        self.device.write(&format!("{app}/run.sh"), &line);
        let child = self.open_app();
        self.wait_until("the app shows something", || self.device.at("tmp/looked").exists());
        Open { device: self.device, child, run: text }
    }

    /// What the app shows.
    pub(crate) fn shown(&self) -> String {
        fs::read_to_string(self.device.at(self.device.firmware.shown)).unwrap_or_default()
    }

    /// The pairing code that the device shows.
    pub(crate) fn wait_for_code(&self) -> String {
        wait_for("a code is shown", PATIENCE_S, || {
            let is_code = |word: &&str| word.len() == 9 && word.as_bytes()[4] == b'-';
            self.shown().split_whitespace().find(is_code).map(str::to_owned)
        })
    }

    /// Those of the device.
    fn processes(&self) -> Vec<Process> {
        let root = self.device.at("/");
        processes().into_iter().filter(|process| process.link("root") == root).collect()
    }

    /// Of those that are nobody's children but init's, what is not ours.
    pub(crate) fn processes_of_others(&self) -> Vec<u32> {
        let is_one = |process: &Process| process.parent == self.first && process.name != "retrosync";
        let mut ids: Vec<u32> = self.processes().iter().filter(|p| is_one(p)).map(|p| p.id).collect();
        ids.sort_unstable();
        ids
    }

    /// There is one supervisor and one daemon, and they are nobody's children but init's, with sessions of their own, no
    /// descriptor of who started them, and a working directory that no card is under.
    #[track_caller]
    pub(crate) fn is_apart(&self) {
        let split = || -> (Vec<_>, Vec<_>) {
            self.processes().into_iter().partition(|process| process.name == "retrosync")
        };
        // What forked them may take a moment to end.
        self.wait_until("there is the supervisor and the daemon, and no other", || split().0.len() == 2);
        let (ours, others) = split();
        for process in &ours {
            assert_eq!(process.parent, self.first, "the parent is not init: {process:?}");
            let alone = |other: &Process| other.session != process.session && other.group != process.group;
            assert!(others.iter().all(alone), "no session of its own: {process:?} {others:?}");
            assert_eq!(process.link("cwd"), self.device.at("/"), "{process:?}");
            let mut files = process.files();
            for standard in 0..3 {
                assert_eq!(files.remove(&standard), Some(self.device.at("dev/null")), "{process:?}");
            }
            let inherited =
                |path: &PathBuf| path.starts_with(self.device.at("firmware")) || is_pipe_of(path, &others);
            assert!(!files.values().any(inherited), "what the caller had is open: {process:?} {files:?}");
        }
    }

    /// Onion's suspend: whatever is neither init nor its own child is stopped. Answers how to wake it.
    pub(crate) fn menu_suspends(&self) -> Suspended {
        let hit = |process: &Process| process.id != self.first && process.parent != self.first;
        let stopped: Vec<Process> = self.processes().into_iter().filter(hit).collect();
        assert!(!stopped.is_empty(), "nothing is stopped, so nothing is shown");
        assert!(stopped.iter().all(|process| process.name != "retrosync"), "{stopped:?}");
        let suspended = Suspended(stopped.iter().map(|process| process.id).collect());
        suspended.signal("STOP");
        suspended
    }

    /// A hook of the firmware: it must end well, whatever it does.
    #[track_caller]
    pub(crate) fn hook(&self, line: &str) {
        let began = Instant::now();
        let (code, said) = self.run(line);
        assert_eq!(code, 0, "{line}: {said}");
        assert!(began.elapsed() < HOOK_MOST, "{line} kept the firmware waiting");
    }

    /// What the firmware does at boot, once more.
    pub(crate) fn boots_again(&self) {
        self.hook("sh /firmware/boot");
    }

    pub(crate) fn removes_everything(&self) {
        let (code, said) = self.run(&format!("sh {}/uninstall.sh everything", self.device.firmware.app));
        assert_eq!(code, 0, "{said}{}", self.tell());
    }

    /// Cuts the power: all that ran is gone when it returns.
    pub(crate) fn power_off(mut self) {
        self.cut();
    }

    fn cut(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let first = format!("/proc/{}", self.first);
        wait_for("the device is off", PATIENCE_S, || {
            (self.first == 0 || !Path::new(&first).exists()).then_some(())
        });
    }

    /// What a failed test wants to know.
    pub(crate) fn tell(&self) -> String {
        let read = |path: &str| fs::read_to_string(self.device.at(path)).unwrap_or_default();
        let root = self.device.firmware.card;
        format!(
            "\nboot: {}\nlog: {}\nmessage: {}",
            read("firmware/boot.log"),
            read(&format!("{root}/.retrosync/log.txt")),
            read(&format!("{}/message.txt", self.device.firmware.app))
        )
    }
}

impl Drop for On<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("---- the device ----{}", self.tell());
        }
        self.cut();
    }
}

/// The app, open.
pub(crate) struct Open<'a> {
    device: &'a Device,
    child: Child,
    run: Vec<u8>,
}

impl Open<'_> {
    /// The person presses B.
    pub(crate) fn closes(self) -> Child {
        let app = self.device.firmware.app;
        fs::write(self.device.at("tmp/pressed"), "").unwrap();
        fs::write(self.device.at(&format!("{app}/run.sh")), self.run).unwrap();
        fs::remove_file(self.device.at(&format!("{app}/run.true.sh"))).unwrap();
        self.child
    }
}

/// Processes that are stopped.
pub(crate) struct Suspended(Vec<u32>);

impl Suspended {
    pub(crate) fn wakes(self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        // One that has ended meanwhile is no matter.
        let line = format!("for id in \"$@\"; do kill -{name} $id 2>/dev/null; done; true");
        let ids = self.0.iter().map(u32::to_string);
        assert!(Command::new("sh").args(["-c", &line, "sh"]).args(ids).status().unwrap().success());
    }
}

/// Ends the task that a child leads as muOS does: its whole process group.
pub(crate) fn ends_with_its_group(mut child: Child) {
    let line = format!("kill -KILL -- -{}", child.id());
    let _ = Command::new("sh").args(["-c", &line]).stderr(Stdio::null()).status().unwrap();
    let _ = child.wait();
}

/// A process of this machine, by its ids here.
#[derive(Debug)]
struct Process {
    id: u32,
    parent: u32,
    group: u32,
    session: u32,
    name: String,
}

impl Process {
    fn link(&self, name: &str) -> PathBuf {
        let link = fs::read_link(format!("/proc/{}/{name}", self.id)).unwrap_or_default();
        // `/` and `/x/` are one folder.
        link.components().collect()
    }

    fn files(&self) -> std::collections::BTreeMap<u32, PathBuf> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.id)).into_iter().flatten().flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        entries.filter_map(number).map(|file| (file, self.link(&format!("fd/{file}")))).collect()
    }
}

/// Is it a pipe that one of these has too?
fn is_pipe_of(path: &Path, others: &[Process]) -> bool {
    let is_pipe = path.to_str().is_some_and(|path| path.starts_with("pipe:"));
    is_pipe && others.iter().any(|other| other.files().values().any(|file| file == path))
}

/// All processes.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(") ")?;
        let (_, name) = head.split_once('(')?;
        let mut fields = tail.split(' ').skip(1).map(|field| field.parse().unwrap_or(0));
        let (parent, group, session) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Process { id, parent, group, session, name: name.to_owned() })
    })
    .collect()
}
