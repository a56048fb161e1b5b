//! What surrounds a command: environment, folders, faces, signals, logs, and the exit code.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::CommandFactory;
use tokio::sync::watch;

use crate::{
    app::{Allowed, App, Identity, ParserKind, Parts, SystemClock},
    chat::Conversation,
    cli::{Cli, Colour, Command, ParserChoice, SandboxCommand},
    commands::{self, Out},
    config::{self, Environment, Flags, FoundFile},
    diagnostic::{Diagnostic, ExitClass, Failure},
    event::Sink,
    review::Human,
    ui::{
        self, ColorChoice, Screen, Stream,
        human::HumanSink,
        json::JsonSink,
        terminal::{Nobody, StdinLines, Terminal},
    },
};

/// Runs a command line and says with what to exit.
pub fn run(cli: Cli) -> u8 {
    let env: Environment = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
    let look = |name: &str| env.get(name).cloned();
    let choice = match cli.global.color {
        Colour::Auto => ColorChoice::Auto,
        Colour::Always => ColorChoice::Always,
        Colour::Never => ColorChoice::Never,
    };
    let out = Out { screen: ui::open(Stream::Out, choice, &look), json: cli.global.json };
    let err = ui::open(Stream::Err, choice, &look);
    if let Some(Command::Completions { shell }) = &cli.command {
        let mut text = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "swell", &mut text);
        out.screen.print(&String::from_utf8_lossy(&text));
        return 0;
    }
    let result = settings(&cli, &env).and_then(|config| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|e| Failure::from(Diagnostic::bug("runtime", format!("The runtime cannot be started: {e}."))))?;
        let code = runtime.block_on(dispatch(&cli, &env, config, &out, &err));
        // A thread that waits for a key must not keep the process.
        runtime.shutdown_background();
        code
    });
    match result {
        Ok(code) => code,
        Err(failure) => {
            report(&failure, cli.global.json, &out.screen, &err);
            failure.exit_code()
        }
    }
}

/// Diagnostics go to standard error; with `--json` they are objects, and on standard output as the last word of the stream.
fn report(failure: &Failure, json: bool, out: &Screen, err: &Screen) {
    if json {
        out.print(&ui::json::line(&ui::json::failure(failure)));
    } else {
        err.print(&ui::diagnostic::render_all(&failure.0, &err.style()));
    }
}

fn settings(cli: &Cli, env: &Environment) -> Result<config::Config, Failure> {
    let home = home(env);
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let directory = cli.global.directory.as_ref().map_or_else(|| here.clone(), |d| here.join(d));
    if !directory.is_dir() {
        return Err(crate::flow::usage(&format!("`{}` is not a folder", directory.display())));
    }
    let project = config::project_of(&directory);
    let found = |path: PathBuf| -> Result<Option<FoundFile>, Failure> {
        if !path.is_file() {
            return Ok(None);
        }
        let text = crate::template::file::read_file(&path)?;
        Ok(Some(FoundFile { path, text }))
    };
    let user = found(home.join(".config/swell/config.toml"))?;
    let in_project = match &project {
        Some(folder) => found(folder.join("swell.toml"))?,
        None => None,
    };
    let flags = Flags { directory, profile: cli.global.profile.clone() };
    Ok(config::load(&flags, env, &home, user.as_ref(), in_project.as_ref())?)
}

fn home(env: &Environment) -> PathBuf {
    env.get("HOME").or_else(|| env.get("USERPROFILE")).map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Who runs this, for the lock and the history.
fn identity(env: &Environment) -> Identity {
    let user = env.get("USER").or_else(|| env.get("USERNAME")).or_else(|| env.get("LOGNAME")).cloned().unwrap_or_else(|| "unknown".into());
    let host = host();
    Identity { who: format!("{user}@{host}"), host, pid: std::process::id() }
}

#[cfg(unix)]
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    "localhost".into()
}

/// The two faces: where events go, and who answers.
fn faces(cli: &Cli, out: &Out, err: &Screen) -> (Arc<dyn Sink>, Arc<dyn Human>) {
    if cli.global.json {
        let face = Arc::new(JsonSink::new(out.screen.clone()));
        return (face.clone(), face);
    }
    let began = std::time::Instant::now();
    let sink = HumanSink::new(err.clone(), Box::new(move || began.elapsed()), ui::diagnostic::render);
    sink.keep_ticking();
    let human: Arc<dyn Human> = match StdinLines::open(err.clone()).filter(|_| err.is_terminal()) {
        Some(lines) => Arc::new(Terminal::new(err.clone(), Arc::new(lines), Some(sink.clone()))),
        None => Arc::new(Nobody::new(err.clone())),
    };
    (sink, human)
}

async fn dispatch(cli: &Cli, env: &Environment, config: config::Config, out: &Out, err: &Screen) -> Result<u8, Failure> {
    start_log(&config.data, env);
    if let Some(Command::Sandbox(command)) = &cli.command {
        return sandbox(command, &config, out).await;
    }
    let (sink, human) = faces(cli, out, err);
    let (stop, stopped) = watch::channel(0u8);
    let parts = Parts {
        config,
        environment: env.clone(),
        allowed: Allowed { read_only: cli.global.read_only, yes: cli.global.yes, max_destroy: cli.global.max_destroy },
        identity: identity(env),
        clock: Arc::new(SystemClock),
        sink,
        human,
        parser: cli.global.parser.map(|p| match p {
            ParserChoice::Offline => ParserKind::Offline,
            ParserChoice::Llm => ParserKind::Model,
        }),
        stop: stopped,
    };
    let app = App::open(parts).await?;
    let interactive = cli.command.is_none() && cli.prompt.is_none();
    let code = if interactive {
        crate::repl::run(&app, out, err, stop, cli.resume_session).await
    } else {
        tokio::select! {
            code = command(cli, &app, out) => code,
            () = interrupted(&app, stop) => Ok(ExitClass::Interrupted.code()),
        }
    };
    app.close().await;
    code
}

/// Counts Ctrl-C. While a run goes on the first stops it and the second cancels its calls; otherwise nothing is lost by leaving at once.
async fn interrupted(app: &App, stop: watch::Sender<u8>) {
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        if !app.is_running() {
            return;
        }
        stop.send_modify(|stage| *stage = (*stage + 1).min(2));
    }
}

async fn command(cli: &Cli, app: &App, out: &Out) -> Result<u8, Failure> {
    let Some(command) = &cli.command else {
        let text = cli.prompt.clone().unwrap_or_default();
        return commands::prompt(app, out, &mut Conversation::default(), &text).await;
    };
    match command {
        Command::Plan(args) => commands::plan(app, out, args).await,
        Command::Apply(args) => commands::apply(app, args).await,
        Command::Destroy(args) => commands::destroy(app, args).await,
        Command::Resume(args) => commands::resume(app, args).await,
        Command::Rollback(args) => commands::rollback(app, args).await,
        Command::Undo(args) => commands::undo(app, args).await,
        Command::Drift(args) => commands::drift(app, out, args).await,
        Command::Import(args) => commands::import(app, args).await,
        Command::History(args) => commands::history(app, out, args).await,
        Command::Show(args) => commands::show(app, out, args).await,
        Command::Graph(args) => commands::graph(app, out, args).await,
        Command::Outputs(args) => commands::outputs(app, out, args).await,
        Command::Wait(args) => commands::wait(app, out, args).await,
        Command::Query { sql } => commands::query(app, out, sql).await,
        Command::Servers(c) => commands::servers(app, out, c).await,
        Command::Types { server } => commands::types(app, out, server.as_deref()).await,
        Command::Schema { kind } => commands::schema(app, out, kind).await,
        Command::Patterns(c) => commands::patterns(app, out, c).await,
        Command::Bindings(c) => commands::bindings(app, out, c).await,
        Command::Runbook(c) => commands::runbook(app, out, c).await,
        Command::Secrets(c) => commands::secrets(app, out, c),
        Command::Eval(c) => commands::eval(app, out, c).await,
        Command::Doctor => commands::doctor(app, out).await,
        Command::Sandbox(_) | Command::Completions { .. } => Ok(0),
    }
}

async fn sandbox(command: &SandboxCommand, config: &config::Config, out: &Out) -> Result<u8, Failure> {
    commands::sandbox(command, &crate::app::world_folder(&config.data), config.sandbox_latency, out).await
}

/// A log in the data folder when `SWELL_LOG` asks for one. What is logged has passed the redactor or is ours.
fn start_log(data: &Path, env: &Environment) {
    use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};
    let Some(level) = env.get("SWELL_LOG") else { return };
    let folder = data.join("logs");
    let file = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::OpenOptions::new().create(true).append(true).open(folder.join("swell.jsonl")));
    let (Ok(filter), Ok(file)) = (EnvFilter::try_new(format!("{level},rmcp=warn,async_openai=off,sqlx=warn")), file) else { return };
    let layer = tracing_subscriber::fmt::layer().json().with_writer(std::sync::Mutex::new(file));
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
}
