//! What becomes unhealthy while the prompt waits is told above it.

use crate::support::pty::{Chat, Home};

const SHOP: &str = r#"{"name": "shop", "resources": [
    {"server": "docker", "type": "container:run", "name": "db", "properties": {"image": "redis:7"}},
    {"server": "docker", "type": "container:run", "name": "web", "properties": {"image": "redis:7"}}]}"#;

fn deployed(notices: u64) -> (Home, Chat) {
    let home = Home::new();
    home.configure(&format!("notices = {notices}\n"));
    std::fs::write(home.path().join("shop.json"), SHOP).unwrap();
    home.run(&["apply", "-f", "shop.json", "--yes", "--max-destroy", "0"]);
    let chat = home.chat(&[]);
    (home, chat)
}

#[test]
fn a_resource_that_becomes_unhealthy_is_told_once_and_when_it_is_over() {
    let (home, mut chat) = deployed(1);
    home.run(&["sandbox", "poke", "docker:container:run:db", "kill"]);
    chat.wait("health");
    let told = chat.wait("swell> ");
    assert!(told.contains("docker:container:run:db") && told.contains("unhealthy") && told.contains("137"), "{told}");
    home.run(&["sandbox", "poke", "docker:container:run:db", "restart"]);
    let told = chat.wait("healthy");
    assert!(told.contains("docker:container:run:db") && !told.contains("web"), "{told}");
    chat.wait("swell> ");
    assert_eq!(chat.leave(), 0);
}

#[test]
fn what_is_being_typed_is_left_alone() {
    let (home, mut chat) = deployed(1);
    home.run(&["sandbox", "poke", "docker:container:run:db", "kill"]);
    chat.wait("docker:container:run:db");
    chat.wait("swell> ");
    chat.keys("/show sh");
    chat.wait("/show sh");
    // Several looks see this one; nothing may come between the letters.
    home.run(&["sandbox", "poke", "docker:container:run:web", "kill"]);
    home.run(&["watch", "--for", "3s"]);
    chat.keys("op\r");
    let before = chat.wait("docker:container:run:web  healthy -> unhealthy");
    let line = before.lines().next().unwrap_or_default();
    assert!(line.contains("op") && !line.contains("container"), "{before}");
    assert!(before.contains("deployment") || before.contains("snapshot"), "the line is carried out first: {before}");
    assert!(!before.contains("run:db  healthy ->"), "what was told is not told again: {before}");
    chat.wait("swell> ");
    assert_eq!(chat.leave(), 0);
}
