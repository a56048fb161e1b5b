//! Faces: what a person or a script sees of the engine, and how a person answers it.
//!
//! Faces turn data (a review, an event, a diagnostic, a record) into text. They only import words and data, never servers or the
//! engine, and they write to writers that they are handed; only the two functions at the end of this file open a stream.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

pub mod answer;

mod asking;

mod details;

pub mod diagnostic;

mod differing;

pub mod graph;

pub mod human;

pub mod json;

pub mod lines;

pub mod list;

pub mod review;

pub mod rows;

pub mod servers;

pub mod show;

pub mod summary;

pub mod table;

mod telling;

pub mod terminal;

pub mod value;

pub mod watch;

#[cfg(test)]
mod event_tests;

#[cfg(test)]
mod fixtures;

#[cfg(test)]
mod graph_tests;

#[cfg(test)]
mod review_tests;

#[cfg(test)]
mod show_tests;

#[cfg(test)]
mod terminal_tests;

/// How text is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// With colour.
    pub color: bool,
    /// Columns.
    pub width: usize,
}

impl Style {
    /// For files and pipes: no colour, 100 columns.
    pub const PLAIN: Style = Style { color: false, width: 100 };
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 80 }
    }
}

/// Whether colour is wanted (`--color`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Data.
    Out,
    /// Everything else.
    Err,
}

/// A place to write to that several faces share; each text is written whole.
#[derive(Clone)]
pub struct Screen {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    style: Style,
    terminal: bool,
    /// The stream whose width is asked anew each time, since a window can change.
    measured: Option<Stream>,
}

impl Screen {
    /// Wraps a writer.
    pub fn new(out: Box<dyn Write + Send>, style: Style, terminal: bool) -> Self {
        Self { out: Arc::new(Mutex::new(out)), style, terminal, measured: None }
    }

    /// How to render for it now.
    pub fn style(&self) -> Style {
        let columns = match self.measured {
            Some(Stream::Out) => columns(std::io::stdout()),
            Some(Stream::Err) => columns(std::io::stderr()),
            None => None,
        };
        Style { width: columns.map_or(self.style.width, bounded), ..self.style }
    }

    /// Whether it is a terminal, where lines can be drawn over.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The same screen, written to through something that stands before it.
    pub fn through(&self, out: Box<dyn Write + Send>) -> Self {
        Self { out: Arc::new(Mutex::new(out)), ..self.clone() }
    }

    /// Writes a text and flushes. A reader that went away is no error: the work goes on and is recorded in the journal.
    pub fn print(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// Decides how to render for a stream. `env` is the environment as the caller read it.
pub fn style_for(terminal: bool, columns: Option<usize>, choice: ColorChoice, env: &dyn Fn(&str) -> Option<String>) -> Style {
    let set = |name: &str| env(name).is_some_and(|v| !v.is_empty());
    let forced = env("CLICOLOR_FORCE").is_some_and(|v| !v.is_empty() && v != "0");
    let color = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => !set("NO_COLOR") && (forced || terminal && env("TERM").as_deref() != Some("dumb")),
    };
    let asked = env("COLUMNS").and_then(|c| c.trim().parse().ok());
    let width = columns.filter(|c| *c > 0).or(asked).unwrap_or(Style::PLAIN.width);
    Style { color, width: bounded(width) }
}

/// Narrower than this nothing is laid out, and wider than this nothing is read.
fn bounded(width: usize) -> usize {
    width.clamp(20, 200)
}

/// Opens a stream of this process as a [`Screen`].
pub fn open(stream: Stream, choice: ColorChoice, env: &dyn Fn(&str) -> Option<String>) -> Screen {
    let (terminal, columns) = match stream {
        Stream::Out => (std::io::stdout().is_terminal(), columns(std::io::stdout())),
        Stream::Err => (std::io::stderr().is_terminal(), columns(std::io::stderr())),
    };
    let style = style_for(terminal, columns, choice, env);
    // On Windows' old consoles the stream turns escape sequences into calls; elsewhere it passes them through.
    let colour = if style.color { anstream::ColorChoice::AlwaysAnsi } else { anstream::ColorChoice::Never };
    let drawn = terminal && env("TERM").as_deref() != Some("dumb");
    let colour = if drawn && !style.color { anstream::ColorChoice::AlwaysAnsi } else { colour };
    let out: Box<dyn Write + Send> = match stream {
        Stream::Out => Box::new(anstream::AutoStream::new(std::io::stdout(), colour)),
        Stream::Err => Box::new(anstream::AutoStream::new(std::io::stderr(), colour)),
    };
    Screen { measured: (terminal && columns.is_some()).then_some(stream), ..Screen::new(out, style, drawn) }
}

/// Columns of the terminal behind a stream.
#[cfg(unix)]
fn columns(stream: impl std::os::fd::AsFd) -> Option<usize> {
    rustix::termios::tcgetwinsize(stream).ok().map(|w| usize::from(w.ws_col)).filter(|c| *c > 0)
}

#[cfg(not(unix))]
fn columns<T>(_: T) -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        |name| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned())
    }

    #[test]
    fn colour_only_where_it_is_wanted() {
        let auto = |terminal, e: &'static [(&'static str, &'static str)]| style_for(terminal, Some(90), ColorChoice::Auto, &env(e)).color;
        assert!(auto(true, &[]));
        assert!(!auto(false, &[]));
        assert!(!auto(true, &[("NO_COLOR", "1")]));
        assert!(!auto(true, &[("TERM", "dumb")]));
        assert!(auto(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(style_for(false, None, ColorChoice::Always, &env(&[("NO_COLOR", "1")])).color);
    }

    #[test]
    fn width_is_the_terminal_s_within_bounds() {
        assert_eq!(style_for(true, Some(10), ColorChoice::Auto, &env(&[])).width, 20);
        assert_eq!(style_for(true, None, ColorChoice::Auto, &env(&[("COLUMNS", "132")])).width, 132);
        assert_eq!(style_for(true, None, ColorChoice::Auto, &env(&[])).width, 100);
    }
}
