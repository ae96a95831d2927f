//! User-mode Linux: a kernel in a process, with the host's files as its root and two files as its disks.
//!
//! Killing the process is a power cut. Needs Debian's `user-mode-linux`, `kmod`, `dmsetup`, `dosfstools`; asks nothing of
//! the host's kernel.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::kills::Machine;
use crate::plan::{CARD_BYTES, LOG_BYTES, Plan, answer};

/// Modules, in the order in which they need each other.
const MODULES: [&str; 6] = [
    "fs/nls/nls_cp437",
    "fs/nls/nls_ascii",
    "fs/fat/fat",
    "fs/fat/vfat",
    "drivers/md/dm-mod",
    "drivers/md/dm-log-writes",
];

/// A job takes a second; on a machine that does much else, many times that.
const PATIENCE: Duration = Duration::from_secs(1800);

/// FAT's machine.
pub(crate) const VFAT: Machine = Machine {
    kind: "vfat",
    missing,
    boot: |work, acked| Kernel::boot(work, &format!("live vfat {acked}")),
    format: &["mkfs.vfat", "-F", "32", "-s", "8"],
    check: &[],
};

/// A running kernel; killed when dropped.
pub(crate) struct Kernel {
    process: Child,
    output: PathBuf,
}

/// What is missing here, in plain words.
pub(crate) fn missing() -> Option<String> {
    installed(&[
        ("linux.uml", "user-mode-linux"),
        ("mkfs.vfat", "dosfstools"),
        ("insmod", "kmod"),
        ("dmsetup", "dmsetup"),
    ])
    .or_else(|| modules().err().map(|error| format!("user-mode Linux has no modules here: {error}")))
}

/// The first of these programs that is missing, with its Debian package, in plain words.
pub(crate) fn installed(programs: &[(&str, &str)]) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    let mut missing =
        programs.iter().filter(|(program, _)| !folders.iter().any(|folder| folder.join(program).exists()));
    missing
        .next()
        .map(|(program, package)| format!("`{program}` is not installed (Debian's package `{package}`)"))
}

fn modules() -> io::Result<PathBuf> {
    let found = fs::read_dir("/usr/lib/uml/modules")?.next().transpose()?;
    Ok(found.ok_or(io::ErrorKind::NotFound)?.path().join("kernel"))
}

impl Kernel {
    /// One that is running already, in a process group of its own, and says what it says in `output`.
    pub(crate) fn of(process: Child, output: PathBuf) -> Kernel {
        Kernel { process, output }
    }

    /// Boots with two disks in `work` and runs this program with `arguments` there.
    ///
    /// # Errors
    /// When no process can be made.
    pub(crate) fn boot(work: &Path, arguments: &str) -> io::Result<Kernel> {
        let modules = modules()?;
        let insert: Vec<_> =
            MODULES.iter().map(|module| format!("insmod {}/{module}.ko", modules.display())).collect();
        let program = std::env::current_exe()?;
        let init = format!(
            "#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin DM_DISABLE_UDEV=1\nmount -t proc proc /proc\nmount -t tmpfs tmpfs /mnt\n\
             {}\nmkdir -p /mnt/card\n{} {arguments}\necho \"ended $?\"\n\
             # As dirty as it is: the host kills this kernel.\nsleep 1000\n",
            insert.join("\n"),
            program.display()
        );
        let path = work.join("init");
        fs::write(&path, init)?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let output = work.join("output");
        let disk = |name: &str| work.join(name).display().to_string();
        let process = Command::new("linux.uml")
            .args(["mem=192M", "root=none", "rootfstype=hostfs", "rootflags=/", "rw", "quiet"])
            .args(["con=null", "con0=fd:0,fd:1", "umid=card"])
            .arg(format!("init={}", path.display()))
            .arg(format!("ubd0={}", disk("cards")))
            .arg(format!("ubd1={}", disk("logs")))
            .arg(format!("uml_dir={}", work.display()))
            .stdin(Stdio::null())
            .stdout(File::create(&output)?)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Kernel { process, output })
    }

    /// What it has said so far.
    pub(crate) fn output(&self) -> String {
        fs::read(&self.output)
            .map(|bytes| String::from_utf8_lossy(&bytes).replace('\r', ""))
            .unwrap_or_default()
    }

    /// Waits until it said what `is` knows, or has ended.
    ///
    /// # Errors
    /// When it does neither, and says nothing at all for `limit`.
    pub(crate) fn wait(&mut self, limit: Duration, is: &dyn Fn(&str) -> bool) -> io::Result<String> {
        let (mut spoke, mut said) = (Instant::now(), 0);
        loop {
            let output = self.output();
            if output.len() != said {
                (spoke, said) = (Instant::now(), output.len());
            }
            if is(&output) || self.process.try_wait()?.is_some() {
                return Ok(output);
            }
            if spoke.elapsed() > limit {
                let text = format!("the kernel said nothing more within {} s:\n{output}", limit.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Cuts the power.
    pub(crate) fn cut(mut self) -> String {
        self.kill();
        self.output()
    }

    fn kill(&mut self) {
        // The group: user-mode Linux has a process for its disks, and one for each of its own.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.process.wait();
        if let Some(work) = self.output.parent() {
            let _ = fs::remove_dir_all(work.join("card"));
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Two empty disks, with room for so many jobs. Sparse: they take what is written.
///
/// # Errors
/// When they cannot be made.
pub(crate) fn make_disks(work: &Path, jobs: usize) -> io::Result<()> {
    for (name, each) in [("cards", CARD_BYTES), ("logs", LOG_BYTES)] {
        File::create(work.join(name))?.set_len(each * jobs.max(1) as u64)?;
    }
    Ok(())
}

/// Has a kernel do all jobs; the answers lie in `work`.
///
/// # Errors
/// When it did not.
pub(crate) fn run(work: &Path, plan: &Plan) -> io::Result<()> {
    make_disks(work, plan.jobs.len())?;
    fs::write(work.join("plan"), serde_json::to_vec(plan)?)?;
    let mut kernel = Kernel::boot(work, &format!("guest {}", work.display()))?;
    let output =
        kernel.wait(PATIENCE, &|output| output.contains("\nended ") || output.starts_with("ended "))?;
    if !output.contains("ended 0") || !answer(work, plan.jobs.len().saturating_sub(1)).exists() {
        return Err(io::Error::other(format!("the kernel in the box did not do its jobs:\n{output}")));
    }
    Ok(())
}
