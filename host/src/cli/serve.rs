//! `serve`: the service, until a signal ends it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::HeaderValue;
use clap::{Args, ValueEnum};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::credentials::{self, token};
use super::log_lines::LogLines;
use super::watchers::Watchers;
use super::{CommandError, GlobalArguments, Manner};
use crate::catalog::Allowances;
use crate::config::{self, Config, MigrateResultConfig, PASSWORD_FILE, ServeConfig};
use crate::engine::Supervisor;
use crate::http::{self, Credentials, Dialect, MigrateResult, MigratorApi, PathPrefix, Settings};

/// Connections that wait to be accepted; the system may allow fewer. In a flood, those that do not fit get no answer at
/// all for a second or more, not even that there are too many.
const WAITING_CONNECTIONS: u32 = 4_096;

#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// The address to listen on [default: 127.0.0.1:9002]
    #[arg(long, value_name = "ADDRESS", value_parser = crate::config::listen_address)]
    listen: Option<SocketAddr>,
    /// Another address, which answers /healthz and /readyz alone, whatever the first one has to bear
    #[arg(long, value_name = "ADDRESS", value_parser = crate::config::listen_address)]
    listen_health: Option<SocketAddr>,
    /// The dialect of /internal/migrations [default: current]
    #[arg(long)]
    dialect: Option<Dialect>,
    /// Take `openslides` for the password when none is given; on loopback only
    #[arg(long)]
    development: bool,
    /// The file with a token for those who may look and give no commands, such as a display on a wall
    #[arg(long, value_name = "FILE")]
    read_token_file: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &ServeArguments,
) -> Result<u8, CommandError> {
    if global.host.is_some() {
        return Err(anyhow::anyhow!(
            "`serve` is the service itself: leave out `--host`, and name the address with `--listen`"
        )
        .into());
    }
    if global.json {
        return Err(anyhow::anyhow!(
            "`serve` answers over HTTP and writes its log: leave out `--json`, or pass `--log-format json`"
        )
        .into());
    }
    let config = global.config()?;
    let migrate_result = migrate_result(&config.migrate_result)?;
    let mut serve = config.serve.clone();
    serve.listen = arguments.listen.unwrap_or(serve.listen);
    serve.listen_health = arguments.listen_health.or(serve.listen_health);
    serve.dialect = arguments.dialect.unwrap_or(serve.dialect);
    serve.development |= arguments.development;
    if let Some(file) = &arguments.read_token_file {
        serve.read_token_file.clone_from(file);
    }
    let credentials = Credentials::new(credentials::secrets(&serve, &config.token)?);
    if credentials.is_empty() && !serve.listen.ip().is_loopback() {
        return Err(anyhow::anyhow!(
            "{} can be reached from other machines: name a file with a password (`--password-file`, {PASSWORD_FILE}) \
             or a token (`--token-file`), or listen on a loopback address",
            serve.listen
        )
        .into());
    }
    start_logs(arguments.log_format, &serve.log_level, &config.beside)?;
    let of_flag = arguments
        .read_token_file
        .as_deref()
        .and_then(config::open_secret);
    for warning in config.warnings.iter().chain(&of_flag) {
        tracing::warn!("{warning}");
    }
    // A client that asks while another host is at work is told so at once.
    let manner = Manner {
        is_service: true,
        ..Manner::default()
    };
    let engine = global.engine(Allowances::default(), manner)?;
    tracing::info!(target = %engine.target_name(), "serving");
    if let Some(source) = engine.source() {
        tracing::info!(source = %source.reference, lineage = %source.lineage, version = %source.version, "steps of a release");
    }
    if let Some(warning) = engine.source_warning() {
        tracing::warn!("{warning}");
    }
    let watchers = Watchers::start(&config, &engine)?;
    let renewal = global.source.renewal(&config);
    let supervisor = Supervisor::new(engine, renewal, watchers.observer());
    let watched = Arc::clone(&supervisor);
    super::watchdog::start(
        move || watched.live()?.overdue(),
        |message| tracing::error!("{message}"),
    )
    .context("cannot start the watchdog")?;
    let migrator = migrator(&config, &serve, &watchers)?;
    if migrator.as_ref().is_some_and(|migrator| migrator.is_open) && credentials.is_empty() {
        tracing::warn!(
            "every program on this machine may send commands to /v1/: name a file with a token (`--token-file`) or a password \
             (`--password-file`) that they must send"
        );
    }
    // Without a secret of its own, only its name tells the service from one that a page of another site made up.
    let is_open = serve.listen.ip().is_loopback() && (serve.development || credentials.is_empty());
    let hosts = (is_open || !serve.hosts.is_empty()).then(|| http::Hosts::new(&serve.hosts));
    let rotation =
        credentials::keep_up_to_date(credentials.clone(), serve.clone(), config.token.clone());
    let settings = Settings {
        hosts,
        migrator,
        dialect: serve.dialect,
        answer_wait: Duration::from_millis(serve.answer_wait_milliseconds),
        credentials,
        migrate_result,
        notifications: watchers.notifications().counts().clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("http")
        .enable_all()
        .build()
        .context("cannot start the service")?;
    let serving = runtime.spawn(async move {
        let (listener, address) = listen(serve.listen)?;
        let health = serve.listen_health.map(listen).transpose()?;
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        tracing::info!(%address, "listening");
        tokio::spawn(http::log_runs(Arc::clone(&supervisor)));
        tokio::spawn(warn_of_history(Arc::clone(&supervisor)));
        tokio::spawn(Arc::clone(&supervisor).keep_drained());
        tokio::spawn(Arc::clone(&supervisor).watch_others());
        tokio::spawn(rotation);
        let routers = http::routers(Arc::clone(&supervisor), settings);
        let stopped = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping");
        };
        if let Some((listener, address)) = health {
            tracing::info!(%address, "listening for probes");
            let limits = http::Limits::default();
            // It ends with the runtime.
            tokio::spawn(http::serve(
                listener,
                routers.health,
                limits,
                std::future::pending(),
            ));
        }
        http::serve(listener, routers.service, http::Limits::default(), stopped).await;
        supervisor.wind_up().await;
        anyhow::Ok(())
    });
    let ended = serving.await;
    // What still streams is cut off.
    runtime.shutdown_background();
    ended.context("the service broke down")??;
    watchers.finish();
    Ok(0)
}

/// Says at once what every command would be refused for.
async fn warn_of_history(supervisor: Arc<Supervisor>) {
    let unadopted = supervisor.ask(async |engine| engine.unadopted().await);
    match unadopted.await {
        Ok(Some(message)) => tracing::warn!("{message}"),
        Ok(None) => {}
        Err(error) => tracing::warn!("{error}"),
    }
}

/// Listens on an address, and says on which port it is where that was left to the system.
fn listen(address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = bind(address).with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// How many bytes of answers the system keeps for a client that does not read. It would keep megabytes, and let a client that
/// asks for much and reads nothing cost as much work.
const SEND_BUFFER: u32 = 128 << 10;

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // So that a service can start where another one has just ended.
    socket.set_reuseaddr(true)?;
    // What is accepted has it from here.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(WAITING_CONNECTIONS)
}

/// The settings of `/migrate/result`, when it is enabled.
fn migrate_result(config: &MigrateResultConfig) -> anyhow::Result<Option<MigrateResult>> {
    if !config.enabled {
        return Ok(None);
    }
    let token = token(&config.token_file)?;
    let allow_origin = match config.allow_origin.as_str() {
        "" => None,
        origin => Some(HeaderValue::from_str(origin).with_context(|| {
            format!("`migrate_result.allow_origin` is `{origin}`, which no header can carry")
        })?),
    };
    Ok(Some(MigrateResult {
        token,
        allow_origin,
    }))
}

/// The settings of the API of the tool *migrator*, when there are files for it.
fn migrator(
    config: &Config,
    serve: &ServeConfig,
    watchers: &Watchers,
) -> anyhow::Result<Option<MigratorApi>> {
    if config.tenancy(false).is_none() {
        return Ok(None);
    }
    let path_prefix =
        PathPrefix::parse(&config.migrator.path_prefix).context("`migrator.path_prefix`")?;
    let effective = Config {
        serve: serve.clone(),
        ..config.clone()
    };
    Ok(Some(MigratorApi {
        path_prefix,
        base: config.sources.base.clone(),
        config: config::effective(&effective),
        is_open: config.is_migrators,
        summaries: watchers.summaries(),
    }))
}

/// Starts the logs, with what `.env` says of them beside the variable.
fn start_logs(
    format: LogFormat,
    level: &str,
    beside: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let level: LevelFilter = level.parse().map_err(|_| {
        anyhow::anyhow!("`serve.log_level` is `{level}`; there are error, warn, info and debug")
    })?;
    let beside = || EnvFilter::try_new(beside.get(EnvFilter::DEFAULT_ENV)?).ok();
    let filter = EnvFilter::try_from_default_env()
        .ok()
        .or_else(beside)
        .unwrap_or_else(|| EnvFilter::default().add_directive(level.into()));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false);
    // Fails only when logs were started before.
    let _ = match format {
        LogFormat::Text => logs.with_ansi(false).with_writer(LogLines).try_init(),
        LogFormat::Json => {
            let logs = logs.with_writer(std::io::stderr);
            logs.json().flatten_event(true).try_init()
        }
    };
    Ok(())
}
