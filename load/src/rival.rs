//! A plain WebDAV server beside ours, on the same disk, taking the same files from as many clients: nginx with dav-ext.
//!
//! What it answers it has handed to the kernel; it syncs nothing, keeps one version, and tells nobody. So its figure is how fast this
//! machine takes files at all, not a race of equals. Ended by its id when dropped.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Outcome;
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
    let running = Running::watch(child, address);
    for _ in 0..500 {
        if Wire::connect(address, [127, 0, 0, 1].into()).await.is_ok() {
            return Ok(running);
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(format!("nginx does not start: {}", fs::read_to_string(folder.join("says")).unwrap_or_default())
        .into())
}

/// Files a second that it takes, as `measures::stores` counts saves.
pub(crate) async fn puts(server: SocketAddr, clients: usize, seconds: u64) -> Outcome<f64> {
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        let over = over.clone();
        tasks.spawn(async move {
            let mut device = Device::new(number);
            let mut wire = Wire::connect(server, device.home()).await?;
            let mut count = 0_u64;
            while !over.load(Ordering::Relaxed) {
                let bytes = device.bytes();
                let head = format!(
                    "PUT /{number}/{count} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
                    bytes.len()
                );
                let request = [head.as_bytes(), &bytes].concat();
                let answer = timeout(Duration::from_secs(60), wire.ask(&request)).await??;
                if answer.status != 201 {
                    return Err(format!("nginx answered {}", answer.status).into());
                }
                count += 1;
            }
            Outcome::Ok(count)
        });
    }
    let began = Instant::now();
    sleep(Duration::from_secs(seconds)).await;
    over.store(true, Ordering::Relaxed);
    let mut count = 0;
    while let Some(ended) = tasks.join_next().await {
        count += ended??;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
