//! The conversation without a terminal: each line of standard input is a turn. Nothing is approved here, unless the command line said so.

use std::io::BufRead;

use super::{After, Repl, unfinished::Unfinished};
use crate::{
    diagnostic::{ExitClass, Failure},
    ui,
};

/// Reads until the end of input; exits as the last turn would.
pub async fn run(repl: &mut Repl<'_>) -> Result<u8, Failure> {
    let mut lines = lines();
    let mut code = 0;
    let (unfinished, mut text) = (Unfinished::default(), String::new());
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            // Nothing goes on between two lines, so nothing has to be stopped.
            _ = repl.attention.signals.next() => return Ok(ExitClass::Interrupted.code()),
        };
        if let Some(line) = &line {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
            if unfinished.wants_more(&text) {
                continue;
            }
        }
        unfinished.reset();
        let turn = std::mem::take(&mut text);
        if !turn.trim().is_empty() {
            echo(repl, turn.trim());
            match repl.line(&turn).await {
                After::Next(exit) => code = exit,
                After::Leave(exit) => return Ok(if exit == 0 { code } else { exit }),
            }
        }
        if line.is_none() {
            return Ok(code);
        }
    }
}

/// The line, quoted, so that what is written reads as a conversation.
fn echo(repl: &Repl<'_>, turn: &str) {
    let out = repl.face.out;
    let said = crate::llm::scrub::scrub(turn).text;
    if out.json {
        out.screen.print(&ui::json::line(&serde_json::json!({"event": "turn", "request": said})));
    } else {
        let quoted: String = said.lines().map(|l| format!("> {}\n", ui::lines::visible(l))).collect();
        out.screen.print(&quoted);
    }
}

/// Lines of standard input. They are read on a thread of their own, which may wait for ever.
fn lines() -> tokio::sync::mpsc::Receiver<String> {
    let (give, take) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut bytes = Vec::new();
        while matches!(input.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned();
            bytes.clear();
            if give.blocking_send(line).is_err() {
                return;
            }
        }
    });
    take
}
