//! Debian's own kernel in QEMU, with exFAT: killing QEMU is a power cut.
//!
//! The kernel is not installed: `scripts/setup exfat` unpacks its package into `.tools/kernel`. This program goes with its
//! libraries into an archive of files in memory, beside busybox. Emulated, without the host's help: virtualisation within
//! virtualisation hangs too often.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kills::Machine;
use crate::uml::{Kernel, installed};

/// exFAT's machine.
pub(crate) const EXFAT: Machine =
    Machine { kind: "exfat", missing, boot, format: &["mkfs.exfat"], check: &["fsck.exfat", "-y"] };

const KERNEL: &str = ".tools/kernel";
/// In the order in which they need each other.
const MODULES: [&str; 7] = [
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci",
    "drivers/block/virtio_blk",
    "fs/exfat/exfat",
];

fn missing() -> Option<String> {
    installed(&[
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("mkfs.exfat", "exfatprogs"),
        ("busybox", "busybox-static"),
    ])
    .or_else(|| {
        let missing = kernel().and_then(|_| modules()).err();
        missing.map(|error| format!("no kernel is in `{KERNEL}` (`scripts/setup exfat`): {error}"))
    })
}

fn only_in(folder: &Path, begins: &str) -> io::Result<PathBuf> {
    let mut found = fs::read_dir(folder)?.filter_map(Result::ok);
    let found = found.find(|entry| entry.file_name().to_string_lossy().starts_with(begins));
    Ok(found.ok_or(io::ErrorKind::NotFound)?.path())
}

fn kernel() -> io::Result<PathBuf> {
    only_in(&Path::new(KERNEL).join("boot"), "vmlinuz-")
}

fn modules() -> io::Result<PathBuf> {
    Ok(only_in(&Path::new(KERNEL).join("lib/modules"), "")?.join("kernel"))
}

/// The files of the machine: this program with its libraries, busybox, modules, what runs first.
fn archive(work: &Path) -> io::Result<PathBuf> {
    let archive = work.join("initrd");
    if archive.exists() {
        return Ok(archive);
    }
    let (root, program) = (work.join("root"), std::env::current_exe()?);
    let put = |from: &Path, to: &Path| -> io::Result<()> {
        let to = root.join(to.strip_prefix("/").unwrap_or(to));
        fs::create_dir_all(to.parent().unwrap_or(&root))?;
        fs::copy(from, to).map(|_| ())
    };
    put(&program, Path::new("powercut"))?;
    let libraries = Command::new("ldd").arg(&program).output()?.stdout;
    for path in String::from_utf8_lossy(&libraries).split_whitespace().filter(|word| word.starts_with('/')) {
        put(Path::new(path), Path::new(path))?;
    }
    put(&installed_at("busybox")?, Path::new("bin/busybox"))?;
    let mut init =
        "#!/bin/busybox sh\n/bin/busybox --install -s /bin\nexport PATH=/bin\nmkdir -p /proc /dev /sys\n\
        mount -t proc proc /proc\nmount -t devtmpfs dev /dev\n"
            .to_owned();
    for (number, module) in MODULES.iter().enumerate() {
        let name = format!("{number}.ko");
        put(&modules()?.join(format!("{module}.ko")), Path::new(&name))?;
        init += &format!("insmod /{name}\n");
    }
    // The kernel hands words that it does not know to the first program.
    init += "echo\n/powercut live exfat $acked\necho \"ended $?\"\nsleep 100000\n";
    fs::write(root.join("init"), init)?;
    fs::set_permissions(root.join("init"), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let packed = Command::new("sh")
        .args(["-c", "cd \"$0\" && find . | busybox cpio -o -H newc 2>/dev/null >\"$1\""])
        .args([&root, &archive])
        .status()?;
    if packed.success() {
        Ok(archive)
    } else {
        Err(io::Error::other("busybox could not pack the machine's files"))
    }
}

fn installed_at(program: &str) -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.exists());
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn boot(work: &Path, acked: usize) -> io::Result<Kernel> {
    let (archive, output) = (archive(work)?, work.join("output"));
    let process = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg", "-m", "256", "-display", "none", "-no-reboot", "-nodefaults"])
        // Its time is what it has done: however little this machine does for it, no timer of it is late.
        .args(["-icount", "shift=1,sleep=off"])
        .arg("-kernel")
        .arg(kernel()?)
        .arg("-initrd")
        .arg(archive)
        .args(["-append", &format!("console=ttyS0 quiet panic=-1 no_timer_check acked={acked}")])
        .args(["-drive", &format!("file={},format=raw,if=virtio", work.join("cards").display())])
        .args(["-drive", &format!("file={},format=raw,if=virtio", work.join("logs").display())])
        .args(["-serial", "stdio"])
        .stdin(Stdio::null())
        .stdout(File::create(&output)?)
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok(Kernel::of(process, output))
}
