//! `retrosync-server serve`: the parts put together, listening, until a signal says to stop. Decides nothing about saves.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use retrosync_server::announce::Announcer;
use retrosync_server::app::App;
use retrosync_server::catalog::Heard;
use retrosync_server::config::{Announce, Config};
use retrosync_server::library::{Collected, Upkeep};
use retrosync_server::listen::{Limits, Patience};
use retrosync_server::parts::{Parts, alone, clients_key, keeps_data, open_tls, upkeep};
use retrosync_server::proxies::Proxies;
use retrosync_server::tls::Tls;
use retrosync_server::{api, compat, health, listen, metrics, trace, web};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::{Outcome, say, words};

/// How often what is over is forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Runs the server until it is told to stop.
pub(crate) async fn serve(config: Config) -> Outcome {
    let tls = open_tls(&config)?.map(Arc::new);
    let alone = alone(&config)?;
    let parts = Parts::open(&config).await?;
    if alone.is_some() {
        parts.blobs.clear_incoming().await?;
    }
    if config.s3_bucket.is_none() && parts.catalog.others().await? > 0 {
        log::warn!(
            "another server uses this database, and this one keeps the bytes of saves in `{}`: several need one bucket, `s3.bucket`",
            config.data.display()
        );
    }
    let access = parts.access(config.open_registration);
    let first_user = access.users().await?.is_empty();
    let proxies = Proxies::new(config.trusted_proxies.clone());
    if config.public_url.is_none() && (config.tls_cert_file.is_some() || !config.trusted_proxies.is_empty()) {
        log::warn!(
            "`public_url` is not set: devices that look for the server, and links, get an address that the certificate may not be for"
        );
    }
    let public_url = config.public_url.as_ref().map(|url| url.as_str().to_owned());
    let app = App::new(parts.library(), access, public_url, proxies).await?;
    if keeps_data(&config) {
        app.keeps_data_in(config.data.clone());
    }
    // Not in the machine's own folder for such files: a container has none.
    app.holds_files_in(config.data.join("brought"));
    match clients_key(&config)? {
        Some(key) => app.signs_with(key),
        None => log::info!(
            "`clients_key` is not set: first-generation clients of RetroSync cannot pair here, all others can"
        ),
    }
    if let Some(tls) = &tls {
        app.speaks_tls(tls.clone());
    }
    let listener = listen::bind(config.listen).await.map_err(|error| {
        format!("cannot listen on `{}`: {error}; choose another with `--listen ADDR:PORT`", config.listen)
    })?;
    let announcing = announce(config.announce, app.public_url.as_deref(), tls.is_some(), &listener).await?;
    let announcing = announcing.map(tokio::spawn);
    let own = listener.local_addr()?;
    let url = app.public_url.clone().unwrap_or_else(|| words::base_url(own, tls.is_some()));
    let refreshing = tokio::spawn(keep_fresh(tls.clone())?);
    let limits = Limits {
        connections: config.limits_connections.count(),
        stop: Duration::from_secs(config.limits_stop_s.get()),
        patience: Patience {
            head: Duration::from_secs(config.limits_head_s.get()),
            body: Duration::from_secs(config.limits_body_s.get()),
            silence: Duration::from_secs(config.limits_silence_s.get()),
        },
    };
    let counting = count(&config, &app, limits).await?;
    let stop = stop(app.clone(), Duration::from_secs(config.limits_leave_s.get()))?;
    if let Some(file) = &config.ready_file {
        write_ready(file, &words::local_url(own, tls.is_some()))?;
    }
    let pin = tls.as_ref().filter(|tls| tls.is_self_signed()).map(|tls| tls.pin());
    say(&words::greeting(&url, &config, pin, first_user))?;
    let sweeping = tokio::spawn(sweep(app.clone(), upkeep(&config), config.gc_daily));
    let hearing = tokio::spawn(hear(app.clone(), parts.catalog.heard()));
    let pages = api::router(app.clone())
        .merge(compat::retrosync::router(app.clone()))
        .merge(web::router(app.clone()))
        .merge(health::router(app.clone()))
        .layer(from_fn_with_state(app.clone(), trace::watch));
    listen::serve(app, pages, listener, tls, limits, stop).await;
    counting.inspect(|task| task.abort());
    sweeping.abort();
    hearing.abort();
    announcing.inspect(|task| task.abort());
    refreshing.abort();
    parts.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Answers devices that look for a server, where that is asked for or makes sense.
async fn announce(
    asked: Announce,
    public_url: Option<&str>,
    speaks_tls: bool,
    listener: &tokio::net::TcpListener,
) -> Result<Option<impl Future<Output = ()> + use<>>, Box<dyn Error>> {
    let own = listener.local_addr()?;
    // What is asked of everybody reaches no socket of one address.
    let any =
        if own.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let usual = SocketAddr::new(any, retrosync_protocol::discovery::PORT);
    let at = match asked {
        Announce::At(at) => Some(at),
        Announce::Off => None,
        Announce::Auto => (!own.ip().is_loopback()).then_some(usual),
    };
    let Some(at) = at else { return Ok(None) };
    match Announcer::bind(at, public_url, speaks_tls, own.port()).await {
        Ok(announcer) => Ok(Some(announcer.run())),
        Err(error) => {
            log::warn!("devices must be told the address, they cannot find it: UDP `{at}`: {error}");
            Ok(None)
        }
    }
}

/// Reads the owner's certificate again when its files change, or at SIGHUP, which ends no server: also not one that has none.
fn keep_fresh(tls: Option<Arc<Tls>>) -> std::io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        if let Some(tls) = tls.filter(|tls| !tls.is_self_signed()) {
            return tls.keep_fresh(hangup).await;
        }
        while hangup.recv().await.is_some() {
            log::info!(
                "SIGHUP: there is no certificate to read again; what else is configured is read at the start"
            );
        }
    })
}

/// Written under another name first, so that who waits for the file never reads half of it.
fn write_ready(file: &Path, url: &str) -> std::io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    std::fs::write(&name, format!("{url}\n"))?;
    std::fs::rename(&name, file)
}

/// Answers a Prometheus server, where that is asked for; until the end, so that the stop is watched too.
async fn count(
    config: &Config,
    app: &Arc<App>,
    limits: Limits,
) -> Result<Option<JoinHandle<()>>, Box<dyn Error>> {
    let Some(at) = config.metrics_listen else { return Ok(None) };
    let listener = listen::bind(at).await.map_err(|error| {
        format!("cannot listen on `{at}` for metrics: {error}; choose another with `metrics.listen`")
    })?;
    log::info!("metrics are at {}/metrics", words::local_url(listener.local_addr()?, false));
    let pages = metrics::router(app.clone(), config.metrics_token.clone());
    Ok(Some(tokio::spawn(listen::serve(app.clone(), pages, listener, None, limits, std::future::pending()))))
}

/// Comes back once Ctrl-C or SIGTERM came and those who asked had time to notice. The second one ends the process at once.
fn stop(app: Arc<App>, leave: Duration) -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut told = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    Ok(async move {
        told().await;
        log::info!("stopping");
        app.leave();
        tokio::spawn(async move {
            told().await;
            log::warn!("told twice to stop: not waiting for what is under way");
            std::process::exit(1);
        });
        tokio::time::sleep(leave).await;
    })
}

/// Rings for what other servers over the same database do.
async fn hear(app: Arc<App>, mut news: BoxStream<'static, Heard>) {
    while let Some(heard) = news.next().await {
        app.heard(heard);
    }
}

/// Forgets now and then what is over.
async fn sweep(app: Arc<App>, upkeep: Upkeep, daily: bool) {
    let holder = crate::own_name();
    let mut due = tokio::time::interval(SWEEP_EVERY);
    loop {
        due.tick().await;
        let swept = async {
            app.access.sweep(app.now_unix_s()).await?;
            app.access.sweep_codes(app.now_unix_s()).await?;
            app.library.sweep(app.now_unix_s()).await
        };
        if let Err(refusal) = swept.await {
            log::warn!("cannot forget what is over: {refusal}");
        }
        if !daily {
            if let Err(refusal) = app.library.note_time(&upkeep, app.now_unix_s()).await {
                log::warn!("cannot note the time: {refusal}");
            }
            // What a `gc` by hand began and did not end is refused to who would store it again.
            match app.library.finish_removal(&holder, || app.now_unix_s()).await {
                Ok(0) => {}
                Ok(removed) => log::info!("removed {removed} that a `gc` had begun to remove"),
                Err(refusal) => log::warn!("cannot remove what a `gc` had begun to remove: {refusal}"),
            }
            continue;
        }
        match app.library.collect_daily(&upkeep, &holder, || app.now_unix_s()).await {
            Ok(Some(done)) if done != Collected::default() => {
                log::info!("{}", words::collected(&done, false))
            }
            Ok(_) => {}
            Err(refusal) => log::warn!("cannot remove what is unneeded: {refusal}"),
        }
    }
}
