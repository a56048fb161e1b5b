//! The conversation without a terminal.

use crate::support::pty::Home;

const REQUEST: &str = "deploy WordPress with HA on blog.example.org\n";

#[test]
fn pipe_never_applies() {
    let home = Home::new();
    let output = home.pipe(&[], &format!("{REQUEST}y\nyes\n/apply\n"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("> deploy WordPress with HA on blog.example.org\n"), "{text}");
    assert_eq!(text.matches(" to add, 0 to change").count(), 1, "a yes makes no second plan: {text}");
    assert_eq!(text.matches("No word approves a plan").count(), 3, "{text}");
    assert!(text.contains("> yes\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(!home.world().iter().any(|a| a.contains("blog-")));
}

#[test]
fn pipe_applies_within_the_bound_it_was_given() {
    let home = Home::new();
    let output = home.pipe(&["--yes", "--max-destroy", "0"], &format!("{REQUEST}/outputs\n"));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("https://blog.example.org"));
    let output = home.pipe(&["--yes", "--max-destroy", "0"], "destroy blog\n");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(home.world().iter().any(|a| a.ends_with(":blog-web-1")));
}

#[test]
fn exit_code_is_the_last_turn_s() {
    let home = Home::new();
    assert_eq!(home.pipe(&[], "/nonsense\n/help\n").status.code(), Some(0));
    assert_eq!(home.pipe(&[], "/help\n/nonsense\n").status.code(), Some(2));
    assert_eq!(home.pipe(&[], "/help\n/exit\n/nonsense\n").status.code(), Some(0));
    assert_eq!(home.pipe(&[], "").status.code(), Some(0));
}

#[test]
fn json_gives_one_object_per_line() {
    let home = Home::new();
    let output = home.pipe(&["--json"], &format!("{REQUEST}/servers\n/status\n/nonsense\n"));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect();
    let events = |name: &str| lines.iter().filter(|l| l["event"] == name).count();
    assert_eq!(events("turn"), 4, "{text}");
    assert_eq!(events("review"), 1, "{text}");
    assert_eq!(events("failed"), 1, "{text}");
}
