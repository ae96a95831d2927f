//! A plain WebDAV server beside ours, on the same disk, taking the same files from as many clients: nginx with dav-ext.
//!
//! What it answers it has handed to the kernel; it syncs nothing, keeps one version, and tells nobody. So its figure is how fast this
//! machine takes files at all, not a race of equals. Ended by its id when dropped.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::busy::{self, ANSWER_TIME, Client};
use crate::people::Device;
use crate::server::Running;
use crate::wire::Wire;

/// Where `scripts/setup` unpacks it, or Debian installs it.
const ROOTS: [&str; 2] = [".tools/nginx", "/"];
const MODULE: &str = "usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

/// Below which folder is it?
pub(crate) fn root() -> Option<PathBuf> {
    let has = |root: &PathBuf| root.join("usr/sbin/nginx").exists() && root.join(MODULE).exists();
    ROOTS.iter().filter_map(|root| Path::new(root).canonicalize().ok()).find(has)
}

/// Starts it on a folder of its own.
pub(crate) async fn start(root: &Path, folder: &Path) -> Outcome<Running> {
    for inner in ["files", "bodies"] {
        fs::create_dir_all(folder.join(inner))?;
    }
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let (module, own) = (root.join(MODULE), folder.display());
    let module = module.display();
    // As it comes, but for what would make it slower: no log, and both cores.
    let text = format!(
        "load_module {module};\ndaemon off;\nuser root;\nworker_processes 2;\npid {own}/pid;\nerror_log {own}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; client_body_temp_path {own}/bodies; keepalive_requests 1000000;\n\
         server {{ listen {address}; root {own}/files;\n\
         location / {{ dav_methods PUT DELETE MKCOL; dav_ext_methods PROPFIND; create_full_put_path on; client_max_body_size 64m; }} }} }}\n"
    );
    fs::write(folder.join("nginx.conf"), text)?;
    let child = Command::new(root.join("usr/sbin/nginx"))
        .args(["-p".as_ref(), folder.as_os_str(), "-c".as_ref(), folder.join("nginx.conf").as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("says"))?)
        .spawn()?;
    let running = Running::watch(child, address, Signal::TERM);
    for _ in 0..500 {
        if Wire::connect(address, [127, 0, 0, 1].into()).await.is_ok() {
            return Ok(running);
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(format!("nginx does not start: {}", fs::read_to_string(folder.join("says")).unwrap_or_default())
        .into())
}

/// A client that puts its next file.
struct Putting {
    device: Device,
    wire: Wire,
    count: u64,
}

impl Client for Putting {
    async fn once(&mut self) -> Outcome<()> {
        let bytes = self.device.bytes();
        self.count += 1;
        let head = format!(
            "PUT /{}/{} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
            self.device.number,
            self.count,
            bytes.len()
        );
        let request = [head.as_bytes(), &bytes].concat();
        let answer = timeout(ANSWER_TIME, self.wire.ask(&request)).await??;
        match answer.status {
            201 => Ok(()),
            other => Err(format!("nginx answered {other}").into()),
        }
    }
}

/// Files a second that it takes, as saves are counted.
pub(crate) async fn puts(server: SocketAddr, clients: usize, seconds: u64) -> Outcome<f64> {
    let mut all = Vec::new();
    for number in 0..clients {
        let device = Device::new(number);
        let wire = Wire::connect(server, device.home()).await?;
        all.push(Putting { device, wire, count: 0 });
    }
    Ok(busy::at_once(all, seconds).await?.each_second)
}
