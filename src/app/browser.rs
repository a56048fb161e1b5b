//! Opens a page in the person's browser. Only web pages, never through a shell, and only after the person's yes.

use std::{
    process::{Command, Stdio},
    sync::Arc,
};

use crate::{config::Environment, ui::terminal::Opener};

/// What opens pages on this machine, as the environment says.
pub fn opener(env: &Environment) -> Opener {
    let env = env.clone();
    Arc::new(move |url| open(&env, url))
}

fn open(env: &Environment, url: &str) -> bool {
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return false;
    }
    let Some((program, args)) = program(env) else { return false };
    // Its words would draw over what stands on the screen.
    let started = Command::new(&program).args(args).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    match started {
        Ok(mut child) => {
            std::thread::spawn(move || child.wait());
            true
        }
        Err(error) => {
            tracing::debug!(%error, program, "no browser");
            false
        }
    }
}

fn program(env: &Environment) -> Option<(String, &'static [&'static str])> {
    if let Some(chosen) = env.get("BROWSER").filter(|b| !b.trim().is_empty()) {
        // A list, as others have it: the first counts.
        return chosen.split(':').next().map(|first| (first.trim().to_owned(), &[][..]));
    }
    if cfg!(target_os = "macos") {
        return Some(("open".to_owned(), &[]));
    }
    if cfg!(windows) {
        return Some(("rundll32".to_owned(), &["url.dll,FileProtocolHandler"]));
    }
    // Without a screen `xdg-open` would start a browser in the terminal.
    let screen = env.contains_key("DISPLAY") || env.contains_key("WAYLAND_DISPLAY");
    screen.then(|| ("xdg-open".to_owned(), &[][..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_pages_are_opened_and_only_where_there_is_a_screen() {
        let env = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Environment>();
        assert_eq!(program(&env(&[("BROWSER", "firefox:lynx")])).unwrap().0, "firefox");
        if cfg!(target_os = "linux") {
            assert_eq!(program(&env(&[])), None);
            assert_eq!(program(&env(&[("DISPLAY", ":0")])).unwrap().0, "xdg-open");
        }
        let env = env(&[("BROWSER", "true")]);
        for url in ["file:///etc/passwd", "javascript:alert(1)", "--help", ""] {
            assert!(!open(&env, url), "{url}");
        }
        assert!(open(&env, "https://example.org/"));
    }
}
