//! What a person approves happens; what they do not approve does not.

use crate::support::pty::{Chat, Home};

/// A request with everything said, up to the question below its review.
fn review(home: &Home) -> Chat {
    let mut chat = home.chat(&[]);
    chat.line("deploy WordPress with HA on blog.example.org");
    chat.wait(" to add");
    chat.wait("or say what to change: ");
    chat
}

/// A deployed blog, with its conversation at the prompt.
fn blog(home: &Home) -> Chat {
    let mut chat = review(home);
    chat.line("y");
    chat.wait("steps of blog done");
    chat.wait("swell> ");
    chat
}

fn has(home: &Home, name: &str) -> bool {
    home.world().iter().any(|address| address.ends_with(&format!(":{name}")))
}

#[test]
fn approves_then_applies() {
    let home = Home::new();
    let chat = blog(&home);
    assert_eq!(chat.leave(), 0);
    assert!(has(&home, "blog-web-2"));
    assert!(home.run(&["history", "blog"]).contains("deploy WordPress"));
}

#[test]
fn declines_and_changes_nothing() {
    let home = Home::new();
    let mut chat = review(&home);
    chat.line("n");
    chat.wait("nothing was changed");
    chat.wait("]> ");
    chat.line("/apply");
    chat.wait(" to add");
    chat.wait("or say what to change: ");
    // Ctrl-C is no yes either.
    chat.interrupt();
    chat.wait("nothing was changed");
    chat.wait("]> ");
    assert_eq!(chat.leave(), 0);
    assert!(!has(&home, "blog-web-1"));
}

#[test]
fn what_was_typed_before_the_review_does_not_approve_it() {
    let home = Home::new();
    let mut chat = home.chat(&[]);
    chat.keys("deploy WordPress with HA on blog.example.org\ry\ryes\r");
    chat.wait("or say what to change: ");
    chat.line("n");
    chat.wait("nothing was changed");
    chat.wait("]> ");
    chat.leave();
    assert!(!has(&home, "blog-web-1"));
}

#[test]
fn edit_then_applies() {
    let home = Home::new();
    let mut chat = review(&home);
    chat.line("e replicas=3");
    chat.wait("container:run:blog-web-3");
    chat.wait("or say what to change: ");
    chat.line("make it 4 replicas");
    chat.wait("container:run:blog-web-4");
    chat.wait("or say what to change: ");
    chat.line("y");
    chat.wait("steps of blog done");
    chat.wait("swell> ");
    assert_eq!(chat.leave(), 0);
    assert!(has(&home, "blog-web-4"));
}

#[test]
fn destroy_wants_the_name() {
    let home = Home::new();
    let mut chat = blog(&home);
    chat.line("destroy blog");
    chat.wait("Type blog to go on");
    chat.line("y");
    chat.wait("type the deployment's name");
    chat.wait("Type blog to go on");
    chat.line("blog");
    chat.wait("of blog done");
    chat.wait("swell> ");
    chat.leave();
    assert!(!has(&home, "blog-web-1"));
}

#[test]
fn a_held_run_goes_on_when_it_is_let() {
    let home = Home::new();
    let args = ["apply", "--pattern", "wordpress-ha", "-p", "domain=blog.example.org", "--hold-after", "1"];
    let mut no = home.terminal(&args);
    no.wait("or say what to change: ");
    no.line("y");
    no.wait("Go on? [y/n]");
    no.line("n");
    no.wait("swell resume blog");
    assert_eq!(no.exit(), 3);
    assert!(!has(&home, "blog-web-1"));
    let mut yes = home.terminal(&args);
    yes.wait("or say what to change: ");
    yes.line("y");
    yes.wait("Go on? [y/n]");
    yes.line("y");
    yes.wait("steps of blog done");
    assert_eq!(yes.exit(), 0);
    assert!(has(&home, "blog-web-1"));
}
