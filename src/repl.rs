//! The conversation at the terminal: a line editor on its own thread; each line is one turn.

use tokio::sync::watch;

use crate::{
    app::App,
    chat::Conversation,
    commands::{self, Out},
    diagnostic::Failure,
    ui::{self, Screen},
};

/// Runs until the person leaves.
pub async fn run(app: &App, out: &Out, err: &Screen, stop: watch::Sender<u8>, _resume: bool) -> Result<u8, Failure> {
    let mut talk = Conversation::default();
    let _ = stop;
    loop {
        let (give, take) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = std::io::stdin().read_line(&mut text);
            let _ = give.send(matches!(read, Ok(n) if n > 0).then_some(text));
        });
        let Ok(Some(text)) = take.await else { return Ok(0) };
        if text.trim().is_empty() {
            continue;
        }
        if let Err(failure) = commands::prompt(app, out, &mut talk, &text).await {
            err.print(&ui::diagnostic::render_all(&failure.0, &err.style()));
        }
    }
}
