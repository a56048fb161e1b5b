//! What surrounds a command: environment, folders, faces, signals, logs, and the exit code.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::CommandFactory;
use tokio::sync::watch;

use crate::{
    app::{Allowed, App, Identity, ParserKind, Parts, SystemClock},
    chat::Conversation,
    cli::{Cli, Colour, Command, ParserChoice, SandboxCommand},
    commands::{self, Layout, Out},
    config::{
        self, Environment, Flags, FoundFile, Layer,
        discover::{MAX_FILE, Os, Place, Surroundings},
    },
    diagnostic::{Diagnostic, ExitClass, Failure},
    event::Sink,
    repl::{
        Face, Memory,
        editor::{Editor, Setup},
        signals::{Attended, Attention, Signals, attend},
    },
    review::Human,
    ui::{
        self, ColorChoice, Screen, Stream,
        human::HumanSink,
        json::JsonSink,
        terminal::{Nobody, Terminal},
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
    let out = Out { screen: ui::open(Stream::Out, choice, &look), json: cli.global.json, layout: Layout::Pretty };
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
    if let Some(folder) = &cli.global.directory {
        // The process goes there: every path that was given, read or written, is meant from that folder.
        let entered = std::env::set_current_dir(folder);
        entered.map_err(|e| crate::flow::usage(&format!("`{}` is not a folder to work in ({e})", folder.display())))?;
    }
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
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
    let folder = project.unwrap_or_else(|| directory.clone());
    let flags = Flags { directory, profile: cli.global.profile.clone() };
    let mut config = config::load(&flags, env, &home, user.as_ref(), in_project.as_ref())?;
    discover(&mut config, &Surroundings { os: Os::current(), home: &home, env, folder: &folder });
    Ok(config)
}

/// Reads what other clients know. A file that cannot be read is said, and takes nothing from the others.
fn discover(config: &mut config::Config, s: &Surroundings<'_>) {
    let found = Place { layer: Layer::Found, path: config.trust.with_file_name(crate::servers::FOUND) };
    for place in config::discover::places(s).into_iter().chain([found]) {
        let read = std::fs::metadata(&place.path).and_then(|m| {
            if !m.is_file() || m.len() > MAX_FILE {
                return Err(std::io::Error::other("it is no file, or too large"));
            }
            std::fs::read_to_string(&place.path)
        });
        match read {
            Ok(text) => {
                let found = config::discover::read(&place, &text, s);
                config.registered.extend(found.servers);
                config.problems.extend(found.problems);
            }
            Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
            Err(e) => config.problems.push(
                Diagnostic::warning("discover::file", "A file of another client cannot be read as it stands")
                    .fact("from", place.layer.title())
                    .fact("where", crate::domain::text::clean_line(&place.path.display().to_string(), 400))
                    .detail(format!("{e}."))
                    .state("It is left out; everything else is read."),
            ),
        }
    }
}

fn home(env: &Environment) -> PathBuf {
    env.get("HOME").or_else(|| env.get("USERPROFILE")).map_or_else(|| PathBuf::from("."), PathBuf::from)
}

/// Who runs this, for the lock and the history.
fn identity(env: &Environment) -> Identity {
    let user = env.get("USER").or_else(|| env.get("USERNAME")).or_else(|| env.get("LOGNAME")).cloned().unwrap_or_else(account);
    let host = host();
    Identity { who: format!("{user}@{host}"), host, pid: std::process::id() }
}

/// The account, where the environment does not name it.
#[cfg(unix)]
fn account() -> String {
    format!("uid{}", rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn account() -> String {
    "unknown".into()
}

#[cfg(unix)]
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    "localhost".into()
}

/// The faces: where events go, who answers, and what the conversation types into.
struct Faces {
    sink: Arc<dyn Sink>,
    human: Arc<dyn Human>,
    editor: Option<Arc<Editor>>,
    live: Option<Arc<HumanSink>>,
    /// Standard output, so that nothing is written into what is being drawn.
    out: Out,
}

fn faces(cli: &Cli, env: &Environment, config: &config::Config, out: &Out, err: &Screen) -> Faces {
    let talks = cli.command.is_none();
    let layout = if talks { Layout::Lines } else { Layout::Pretty };
    if cli.global.json {
        let face = Arc::new(JsonSink::new(out.screen.clone()));
        // Where the answer is one document, what is said besides must not stand in it.
        let sink: Arc<dyn Sink> =
            if cli.command.as_ref().is_none_or(Command::goes_on) { face.clone() } else { Arc::new(JsonSink::new(err.clone())) };
        let out = Out { screen: out.screen.clone(), json: true, layout };
        return Faces { sink, human: face, editor: None, live: None, out };
    }
    let began = std::time::Instant::now();
    let live = HumanSink::new(err.clone(), Box::new(move || began.elapsed()), ui::diagnostic::render);
    live.keep_ticking();
    let screen = ui::human::above(&out.screen, live.clone());
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        let above = talks && config.notices.is_some();
        let setup = Setup { history: config.data.join("history.txt"), above, color: err.style().color };
        let editor = Arc::new(Editor::new(setup));
        let terminal = Terminal::new(err.clone(), editor.clone(), Some(live.clone()));
        let human = Arc::new(terminal.with_browser(crate::app::opener(env)));
        let out = Out { screen, json: false, layout };
        return Faces { sink: live.clone(), human, editor: Some(editor), live: Some(live), out };
    }
    // In a conversation without a terminal the plan is what was asked for, so it is data.
    let human = Arc::new(Nobody::new(if talks { screen.clone() } else { err.clone() }));
    Faces { sink: live.clone(), human, editor: None, live: Some(live), out: Out { screen, json: false, layout } }
}

async fn dispatch(cli: &Cli, env: &Environment, config: config::Config, out: &Out, err: &Screen) -> Result<u8, Failure> {
    start_log(&config.data, env);
    if let Some(Command::Sandbox(command)) = &cli.command {
        return sandbox(command, &config, out).await;
    }
    let faces = faces(cli, env, &config, out, err);
    let signals =
        Signals::listen().map_err(|e| Failure::from(Diagnostic::bug("signals", format!("Signals cannot be listened to: {e}."))))?;
    let (stop, stopped) = watch::channel(0u8);
    let parts = Parts {
        config,
        environment: env.clone(),
        allowed: Allowed { read_only: cli.global.read_only, yes: cli.global.yes, max_destroy: cli.global.max_destroy },
        identity: identity(env),
        clock: Arc::new(SystemClock),
        sink: faces.sink.clone(),
        human: faces.human.clone(),
        parser: cli.global.parser.map(|p| match p {
            ParserChoice::Offline => ParserKind::Offline,
            ParserChoice::Llm => ParserKind::Model,
        }),
        stop: stopped,
    };
    let app = App::open(parts).await?;
    let code = if cli.command.is_none() && cli.prompt.is_none() {
        let face = Face { out: &faces.out, err, editor: faces.editor.as_deref(), live: faces.live.as_deref() };
        let memory = if cli.resume_session { Memory::GoOn } else { Memory::New };
        crate::repl::run(&app, face, Attention { signals, stop }, memory).await
    } else {
        once(cli, &app, &faces, Attention { signals, stop }).await
    };
    if let Some(editor) = &faces.editor {
        editor.restore();
    }
    app.close().await;
    code
}

/// One command, minding the signals.
async fn once(cli: &Cli, app: &App, faces: &Faces, mut attention: Attention) -> Result<u8, Failure> {
    let asking = || faces.editor.as_ref().is_some_and(|e| e.is_reading());
    let work = async {
        match &cli.command {
            Some(command) => commands::run(app, &faces.out, command).await,
            None => commands::prompt(app, &faces.out, &mut Conversation::default(), cli.prompt.as_deref().unwrap_or_default()).await,
        }
    };
    let mut terminated = false;
    match attend(&mut attention, || app.is_running(), asking, &mut terminated, work).await {
        Attended::Done(code) => code,
        Attended::Cancelled | Attended::Left => {
            if let Some(live) = &faces.live {
                live.clear();
            }
            Ok(ExitClass::Interrupted.code())
        }
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
