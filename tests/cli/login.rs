//! `swell servers login` and `logout` as a person uses them: consent on a terminal, or the page shown where there is none.

use std::io::{BufRead, BufReader};

use crate::support::{
    authorization::{Both, browse},
    env::{SWELL, TestEnv},
    pty::Home,
};

fn started() -> (Both, wiremock::MockServer, tokio::runtime::Runtime) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (both, mock) = runtime.block_on(Both::start());
    (both, mock, runtime)
}

fn configuration(both: &Both) -> String {
    format!("[servers.far]\nurl = \"{}\"\n", both.url())
}

#[test]
fn a_server_that_wants_authorization_says_how_to_give_it() {
    let (both, _mock, runtime) = started();
    let env = TestEnv::new();
    env.configure(&configuration(&both));
    let ran = env.swell(&["servers", "tools", "far"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.stderr.contains("swell servers login far"), "{ran}");
    let ran = env.swell(&["servers", "doctor", "far"]);
    assert!(ran.stdout.contains("swell servers login far"), "{ran}");
    // No person, no login.
    let _ = env.swell(&["servers", "login", "far"]).refused(1, "auth::nobody");
    assert_eq!((both.count("GET /authorize"), both.count("POST /token")), (0, 0));

    // The page is shown, and the person opens it wherever they like.
    let mut child = env.command(SWELL, &["servers", "login", "far", "--no-browser"]).spawn().unwrap();
    let mut shown = BufReader::new(child.stderr.take().unwrap()).lines();
    let page = loop {
        let line = shown.next().expect("it shows the page").unwrap();
        if line.starts_with("http") {
            break line;
        }
    };
    runtime.block_on(browse(&page));
    let rest: Vec<String> = shown.map(|l| l.unwrap()).collect();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(
        (ended.status.code(), String::from_utf8_lossy(&ended.stdout).as_ref()),
        (Some(0), "logged in at far with the rights read\n"),
        "{rest:?}"
    );

    // Whatever is written from now on holds no token.
    let ran = env.swell(&["servers", "doctor", "far"]);
    assert!(ran.stdout.contains("connect") && !ran.stdout.contains("wants authorization"), "{ran}");
    for file in walk(&env.home()) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let kept = file.parent().unwrap().ends_with("tokens") && file.extension().is_some_and(|e| e == "json");
        assert_eq!(text.contains("access-token-"), kept, "{}", file.display());
    }
    let _ = env.swell(&["servers", "logout", "far"]).ok().prints("the login is forgotten");
    let _ = env.swell(&["servers", "logout", "far"]).ok().prints("there was no login");
    assert!(env.swell(&["servers", "doctor", "far"]).stdout.contains("swell servers login far"));
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn only_servers_behind_a_url_have_logins() {
    let env = TestEnv::new();
    let _ = env.swell(&["servers", "login", "docker"]).refused(1, "auth::no-login");
    env.configure("[servers.far]\nurl = \"http://127.0.0.1:1/mcp\"\nheaders = { Authorization = \"Bearer x\" }\n");
    let _ = env.swell(&["servers", "login", "far"]).refused(1, "auth::no-login");
}

#[test]
fn the_person_says_yes_before_a_browser_is_opened() {
    let (both, _mock, runtime) = started();
    let home = Home::new();
    home.configure(&configuration(&both));
    // A browser that goes where it is sent.
    let browser = home.path().join("browser");
    std::fs::write(&browser, format!("#!/bin/sh\necho \"$1\" > {}\n", home.path().join("opened").display())).unwrap();
    std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let opened = home.path().join("opened");

    let mut no = home.terminal_with(&["servers", "login", "far"], &[("BROWSER", browser.to_str().unwrap())]);
    let seen = no.wait("Open it in your browser?");
    assert!(seen.contains("The page is on") && seen.contains("127.0.0.1") && seen.contains("read"), "{seen}");
    no.line("n");
    assert_eq!(no.exit(), 1);
    assert!(!opened.exists() && both.count("GET /authorize") == 0);

    let mut yes = home.terminal_with(&["servers", "login", "far"], &[("BROWSER", browser.to_str().unwrap())]);
    yes.wait("Open it in your browser?");
    yes.line("y");
    yes.wait("Waiting for you");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::fs::read_to_string(&opened).unwrap_or_default().trim().is_empty() {
        assert!(std::time::Instant::now() < until, "the browser was not started");
        std::thread::yield_now();
    }
    let page = std::fs::read_to_string(&opened).unwrap();
    runtime.block_on(browse(page.trim()));
    yes.wait("logged in at far");
    assert_eq!(yes.exit(), 0);
}
