//! The measurements over a crowd and over a server alone. Each is bounded in time and count, and adds its rows.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use retrosync_protocol::{Changes, Epoch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::busy::{self, ANSWER_TIME, Asking, Done, Storing, ask, ms};
use crate::crowd::Crowd;
use crate::people::{Device, is_stored};
use crate::report::{Budget, Report, percentile};
use crate::server::Running;
use crate::wire::Wire;

/// What all of them go over.
pub(crate) struct Scene<'a> {
    pub(crate) server: &'a Running,
    pub(crate) epoch: &'a Epoch,
    pub(crate) report: &'a mut Report,
}

/// What a waiting device costs: memory, and CPU time while nothing happens.
pub(crate) async fn waiting(scene: &mut Scene<'_>, count: usize, seconds: u64) -> Outcome<Crowd> {
    // Once around first, so that what the first of anything costs is not counted as the crowd's.
    polls(scene.server.address, scene.epoch, 0, 64, 1).await?;
    let before_bytes = scene.server.memory_bytes()?;
    let began = Instant::now();
    let mut crowd = Crowd::gather(scene.server.address, scene.epoch, count).await?;
    scene.report.figure(
        format!("{count} devices connect and wait"),
        began.elapsed().as_secs_f64(),
        "s",
        Budget::None,
    );
    sleep(Duration::from_secs(3)).await;
    let grown_bytes = scene.server.memory_bytes()?.saturating_sub(before_bytes);
    let each_kib = grown_bytes as f64 / count as f64 / 1024.0;
    scene.report.figure("memory of a waiting device", each_kib, "KiB", Budget::AtMost(20.0));
    let (began, cpu_s) = (Instant::now(), scene.server.cpu_s()?);
    sleep(Duration::from_secs(seconds)).await;
    let busy = (scene.server.cpu_s()? - cpu_s) / began.elapsed().as_secs_f64() * 100.0;
    scene.report.figure("CPU while they wait", busy, "% of one core", Budget::AtMost(2.0));
    crowd.is_whole()?;
    Ok(crowd)
}

/// From the moment in which a device sends a save to that in which its sister has heard of it.
pub(crate) async fn sisters(
    scene: &mut Scene<'_>,
    crowd: &mut Crowd,
    count: usize,
    seconds: u64,
) -> Outcome<()> {
    while crowd.heard.try_recv().is_ok() {}
    let (mut heard_ms, mut stored_ms) = (Vec::new(), Vec::new());
    let began = Instant::now();
    for round in 0.. {
        if round >= 200 && began.elapsed().as_secs() >= seconds || round * 2 >= count {
            break;
        }
        // Users all over the crowd, each once.
        let user = round * 7919 % (count / 2);
        let mut device = Device::new(user * 2);
        let request = device.save()?;
        let mut wire = Wire::connect(scene.server.address, device.home()).await?;
        let sent = Instant::now();
        is_stored(&ask(&mut wire, &request).await?)?;
        stored_ms.push(ms(sent.elapsed()));
        let sister = async {
            while let Some(heard) = crowd.heard.recv().await {
                if heard.device == user * 2 + 1 {
                    return Ok(heard.at);
                }
            }
            Err("all who waited are gone")
        };
        let at = timeout(ANSWER_TIME, sister).await.map_err(|_| "a sister never heard of a save")??;
        heard_ms.push(ms(at.duration_since(sent)));
    }
    crowd.is_whole()?;
    let figure = "a save sent until its waiting sister heard of it, 95 of 100";
    scene.report.figure(figure, percentile(&mut heard_ms, 0.95), "ms", Budget::AtMost(100.0));
    scene.report.figure("the same, the middle one", percentile(&mut heard_ms, 0.5), "ms", Budget::None);
    scene.report.figure(
        "of that, until it was stored, the middle one",
        percentile(&mut stored_ms, 0.5),
        "ms",
        Budget::None,
    );
    Ok(())
}

/// As many saves as fit: each device sends its next as soon as the last is stored.
pub(crate) async fn stores(
    server: SocketAddr,
    epoch: &Epoch,
    from_user: usize,
    devices: usize,
    seconds: u64,
) -> Outcome<Done<Storing>> {
    busy::at_once(Storing::of(server, epoch, from_user..from_user + devices).await?, seconds).await
}

/// After the server was killed and started anew: is all there that it had answered?
pub(crate) async fn all_there(server: SocketAddr, epoch: &Epoch, stored: &[Storing]) -> Outcome<u64> {
    let mut count = 0;
    for Storing { device, .. } in stored {
        let mut wire = Wire::connect(server, device.home()).await?;
        let changes: Changes =
            serde_json::from_slice(&ask(&mut wire, &device.poll(epoch, 0, 0)).await?.body)?;
        if changes.cursor != device.stored() {
            return Err(format!(
                "the server had answered {} saves of a device and knows {}",
                device.stored(),
                changes.cursor
            )
            .into());
        }
        count += changes.cursor;
    }
    Ok(count)
}

/// Quiet questions a second: nothing is new, and the device does not wait.
pub(crate) async fn polls(
    server: SocketAddr,
    epoch: &Epoch,
    from_user: usize,
    devices: usize,
    seconds: u64,
) -> Outcome<f64> {
    let asking = Asking::of_each(server, epoch, from_user..from_user + devices).await?;
    Ok(busy::at_once(asking, seconds).await?.each_second)
}

/// Thousands of clients of one address that begin a request and never end it: how many are let in, and whether others notice.
pub(crate) async fn dawdlers(scene: &mut Scene<'_>, count: usize) -> Outcome<()> {
    let before_bytes = scene.server.memory_bytes()?;
    let mut tasks = JoinSet::new();
    let server = scene.server.address;
    for _ in 0..count {
        tasks.spawn(async move {
            let Ok(mut wire) = Wire::connect(server, Ipv4Addr::new(127, 66, 6, 6)).await else { return };
            let _ = wire.send(b"POST /api/v1/changes HTTP/1.1\r\nhost: loc").await;
            wire.ended().await;
        });
    }
    let began = Instant::now();
    let mut took_ms = Vec::new();
    let device = Device::new(1);
    while began.elapsed() < Duration::from_secs(5) {
        let asked = Instant::now();
        let mut wire = Wire::connect(server, device.home()).await?;
        ask(&mut wire, &device.poll(scene.epoch, u64::MAX >> 1, 0)).await?;
        took_ms.push(ms(asked.elapsed()));
        sleep(Duration::from_millis(20)).await;
    }
    while tasks.try_join_next().is_some() {}
    let kept = tasks.len();
    let grown_bytes = scene.server.memory_bytes()?.saturating_sub(before_bytes);
    scene.report.figure(
        format!("{count} clients of one address that dawdle: let in"),
        kept as f64,
        "",
        Budget::AtMost(1024.0),
    );
    scene.report.figure(
        "memory that they take",
        grown_bytes as f64 / f64::from(1 << 20),
        "MiB",
        Budget::AtMost(64.0),
    );
    scene.report.figure(
        "another device's new connection and question meanwhile, 95 of 100",
        percentile(&mut took_ms, 0.95),
        "ms",
        Budget::AtMost(100.0),
    );
    let gone = timeout(Duration::from_secs(30), async { while tasks.join_next().await.is_some() {} }).await;
    gone.map_err(|_| "who never ends a request is never cut off")?;
    Ok(())
}
