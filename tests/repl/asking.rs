//! Questions, corrections, completion, pastes, and what is remembered.

use std::os::unix::fs::PermissionsExt;

use crate::support::pty::Home;

#[test]
fn asks_for_missing_argument() {
    let home = Home::new();
    let mut chat = home.chat(&[]);
    chat.line("deploy WordPress with HA");
    chat.wait("domain");
    chat.wait("swell> ");
    chat.line("blog.example.org");
    chat.wait("domain=blog.example.org");
    chat.wait("or say what to change: ");
    chat.line("n");
    chat.wait("]> ");
    assert_eq!(chat.leave(), 0);
}

#[test]
fn nonsense_is_answered() {
    let home = Home::new();
    let mut chat = home.chat(&[]);
    chat.line("colourless green ideas sleep furiously");
    chat.wait("/help");
    chat.wait("swell> ");
    chat.line("/histroy");
    chat.wait("Did you mean `/history`?");
    chat.wait("swell> ");
    chat.line("/why");
    chat.wait("parser");
    chat.wait("swell> ");
    assert_eq!(chat.leave(), 0);
}

#[test]
fn ctrl_c_at_the_prompt_clears_the_line_and_says_how_to_leave() {
    let home = Home::new();
    let mut chat = home.chat(&[]);
    chat.keys("deploy something");
    chat.interrupt();
    chat.wait("\n");
    chat.wait("swell> ");
    chat.interrupt();
    chat.wait("Ctrl-D or /exit leaves");
    chat.wait("swell> ");
    chat.line("/exit");
    assert_eq!(chat.exit(), 0);
}

#[test]
fn resumes_conversation() {
    let home = Home::new();
    let mut chat = home.chat(&[]);
    chat.line("deploy WordPress with HA, the admin password is hunter2horse");
    chat.wait("domain");
    chat.wait("swell> ");
    chat.kill();
    let mut chat = home.terminal(&[]);
    chat.wait("/continue goes on");
    chat.wait("swell> ");
    chat.leave();
    let mut chat = home.terminal(&["--resume-session"]);
    chat.wait("Going on");
    chat.wait("swell> ");
    chat.line("blog.example.org");
    chat.wait("wordpress-ha as blog");
    chat.wait("or say what to change: ");
    chat.line("n");
    chat.wait("]> ");
    chat.leave();
    // Neither the history nor the state has the secret, and the history has the rest.
    let data = home.path().join(".local/share/swell");
    let history = std::fs::read_to_string(data.join("history.txt")).unwrap();
    assert!(history.contains("blog.example.org"));
    assert_eq!(std::fs::metadata(data.join("history.txt")).unwrap().permissions().mode() & 0o777, 0o600);
    for file in std::fs::read_dir(&data).unwrap().map(|f| f.unwrap().path()).filter(|p| p.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(12).any(|w| w == b"hunter2horse"), "{}", file.display());
    }
}

#[test]
fn tab_completes_a_deployment() {
    let home = Home::new();
    home.run(&["apply", "--pattern", "wordpress-ha", "-p", "domain=blog.example.org", "--yes", "--max-destroy", "0"]);
    let mut chat = home.chat(&[]);
    chat.line("/outputs");
    chat.wait("https://blog.example.org");
    chat.wait("swell> ");
    chat.keys("/graph bl\t");
    chat.wait("/graph blog ");
    chat.keys("\r");
    chat.wait("blog-web-1");
    chat.wait("swell> ");
    chat.keys("/sh\t");
    chat.wait("/show ");
    chat.keys("docker:container:run:blog-w\t");
    chat.wait("blog-web-2");
    chat.keys("1\r");
    chat.wait("wordpress:");
    chat.wait("swell> ");
    assert_eq!(chat.leave(), 0);
}

const TEMPLATE: &str = "name: dev\nresources:\n  - server: docker\n    type: volume\n    name: dev-data\n    properties: {}";

#[test]
fn pasted_lines_are_one_turn() {
    let home = Home::new();
    let mut chat = home.chat(&[]);
    chat.keys(&format!("\u{1b}[200~{TEMPLATE}\u{1b}[201~\r"));
    chat.wait("docker:volume:dev-data");
    chat.wait("Plan: 1 to add");
    chat.wait("or say what to change: ");
    chat.line("n");
    chat.wait("]> ");
    // A terminal without bracketed paste sends the lines one by one; an empty line ends them.
    for line in TEMPLATE.replace("dev", "qa").lines() {
        chat.line(line);
    }
    chat.line("");
    chat.wait("docker:volume:qa-data");
    chat.wait("Plan: 1 to add");
    chat.wait("or say what to change: ");
    chat.line("n");
    chat.wait("]> ");
    assert_eq!(chat.leave(), 0);
}
