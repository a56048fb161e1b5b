//! Whole pages, compared as text.

use super::*;

fn plain(diagnostic: &Diagnostic) -> String {
    render(diagnostic, &Style::default())
}

fn source(text: &str, column: usize, width: usize, label: &str) -> Option<Source> {
    Some(Source { file: "patterns/shop.yaml".into(), line: 14, column, text: text.into(), width, label: label.into() })
}

#[test]
fn before_the_plan() {
    let diagnostic = Diagnostic::error("pattern::unknown-parameter", "Unknown parameter")
        .source(source("    replica: 3", 5, 7, "the pattern `wordpress-ha` has no parameter with this name"))
        .detail("The deployment `shop` sets an argument that `wordpress-ha` does not take.")
        .state("Nothing was planned.")
        .hint("Did you mean `replicas`?")
        .hint_command("To see every parameter, run:", "swell pattern show wordpress-ha");
    assert_eq!(
        plain(&diagnostic),
        "\
error[pattern::unknown-parameter]: Unknown parameter

  patterns/shop.yaml:14:5
   14 │     replica: 3
      │     ^^^^^^^ the pattern `wordpress-ha` has no parameter with this name

  The deployment `shop` sets an argument that `wordpress-ha` does not take.
  Nothing was planned.

hint: Did you mean `replicas`?
hint: To see every parameter, run:

    swell pattern show wordpress-ha
"
    );
}

#[test]
fn in_a_run() {
    let diagnostic = Diagnostic::error("apply::tool-failed", "The server reported an error")
        .fact("step", "create shop.db (mysql.database)")
        .fact("server", "rds-eu, tool `create_instance`, after 4.2s")
        .detail("The server answered: \"DBInstanceQuotaExceeded: limit is 40\".")
        .state(
            "4 steps are done, 1 failed, and 3 that depend on it were skipped.\nEverything done is recorded in snapshot 17; nothing is unknown.",
        )
        .next(
            "Raise the quota or lower `replicas`, then plan again. Steps that are done will be kept:",
            "swell plan shop",
        )
        .hint_command("To return to the state before this run, review:", "swell rollback shop --to 16");
    assert_eq!(
        plain(&diagnostic),
        "\
error[apply::tool-failed]: The server reported an error

  step    create shop.db (mysql.database)
  server  rds-eu, tool `create_instance`, after 4.2s

  The server answered: \"DBInstanceQuotaExceeded: limit is 40\".

  4 steps are done, 1 failed, and 3 that depend on it were skipped.
  Everything done is recorded in snapshot 17; nothing is unknown.

  Raise the quota or lower `replicas`, then plan again. Steps that are done will
  be kept:

    swell plan shop

hint: To return to the state before this run, review:

    swell rollback shop --to 16
"
    );
}

#[test]
fn outcome_unknown() {
    let diagnostic = Diagnostic::warning("apply::outcome-unknown", "The outcome of a call is unknown")
        .fact("step", "create shop.cdn (cdn.distribution)")
        .fact("server", "edge, tool `create_distribution`, cancelled after 31s")
        .detail(
            "The call was sent, and the run was stopped before the server answered. The distribution may or may not exist. The journal has \
             the attempt (entry 212).",
        )
        .next(
            "You do not need to clean up first. The next plan asks the server and either adopts the distribution or creates it:",
            "swell plan shop",
        );
    assert_eq!(
        plain(&diagnostic),
        "\
warning[apply::outcome-unknown]: The outcome of a call is unknown

  step    create shop.cdn (cdn.distribution)
  server  edge, tool `create_distribution`, cancelled after 31s

  The call was sent, and the run was stopped before the server answered. The
  distribution may or may not exist. The journal has the attempt (entry 212).

  You do not need to clean up first. The next plan asks the server and either
  adopts the distribution or creates it:

    swell plan shop
"
    );
}

#[test]
fn a_wide_line_is_cut_around_what_is_meant() {
    let line = format!("{}bad{}", "a".repeat(200), "z".repeat(200));
    let diagnostic = Diagnostic::error("a::b", "Too wide").source(source(&line, 201, 3, "here"));
    let page = render(&diagnostic, &Style { color: false, width: 40 });
    assert_eq!(
        page,
        "\
error[a::b]: Too wide

  patterns/shop.yaml:14:201
   14 │ …aaaaaaaaaaaaabadzzzzzzzzzzzzzz…
      │               ^^^ here
"
    );
    let end = Diagnostic::error("a::b", "Too wide").source(source(&line, 404, 1, "the line ends too early for this one"));
    assert_eq!(
        render(&end, &Style { color: false, width: 40 }),
        "\
error[a::b]: Too wide

  patterns/shop.yaml:14:404
   14 │ …zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz
      │                                ^
      │ the line ends too early for this
      │ one
"
    );
}

#[test]
fn a_line_that_was_not_kept_is_left_out() {
    let diagnostic = Diagnostic::error("a::b", "Long").source(source("", 70_000, 5, "here"));
    assert_eq!(plain(&diagnostic), "error[a::b]: Long\n\n  patterns/shop.yaml:14:70000\n   14 │ …\n      │ ^ here\n");
}

#[test]
fn without_a_file_the_resource_is_the_place() {
    let address = "docker:network:app".parse().unwrap();
    let diagnostic = Diagnostic::error("a::b", "Nowhere").address(&address).fact("at", "properties.x").detail("It is not there.");
    let expected = "error[a::b]: Nowhere\n\n  resource  docker:network:app\n  at        properties.x\n\n  It is not there.\n";
    assert_eq!(plain(&diagnostic), expected);
    let named = Diagnostic::error("a::b", "Nowhere").address(&address).fact("step", "create docker:network:app");
    assert_eq!(plain(&named), "error[a::b]: Nowhere\n\n  step  create docker:network:app\n");
}

#[test]
fn wide_characters_and_tabs_keep_the_caret_in_place() {
    let diagnostic = Diagnostic::error("a::b", "Wide").source(source("\t名前: ü", 6, 1, "this"));
    assert_eq!(plain(&diagnostic), "error[a::b]: Wide\n\n  patterns/shop.yaml:14:6\n   14 │     名前: ü\n      │           ^ this\n");
}

#[test]
fn text_from_outside_cannot_move_the_cursor() {
    let evil = "a\u{1b}[2J\u{1b}]0;x\u{7}b\r\u{202e}c\u{200b}\u{9b}1m\n  fake: line";
    let mut diagnostic = Diagnostic::error("a::b", "Evil")
        .source(source(evil, 2, 300, evil))
        .fact("server", evil)
        .detail(evil)
        .state(evil)
        .next(evil, evil)
        .hint_command(evil, evil);
    if let Some(s) = &mut diagnostic.source {
        s.file = evil.into();
    }
    let page = plain(&diagnostic);
    assert!(!page.chars().any(|c| c != '\n' && is_sly(c)), "{page:?}");
    assert!(page.contains("  server  a\\u{1b}[2J\\u{1b}]0;x\\u{7}b\\r\\u{202e}c\\u{200b}\\u{9b}1m\\n  fake: line\n"), "{page}");
    // A command is one line whatever it holds.
    assert!(page.contains("\n    a\\u{1b}[2J"), "{page}");
}

#[test]
fn colour_changes_no_word() {
    let diagnostic = Diagnostic::warning("a::b", "Colours")
        .source(source("x: y", 4, 1, "z"))
        .fact("step", "s")
        .detail("Detail.")
        .next("Do:", "swell plan")
        .hint("Or not.");
    let painted = render(&diagnostic, &Style { color: true, width: 80 });
    assert!(painted.contains("\u{1b}["));
    assert_eq!(anstream::adapter::strip_str(&painted).to_string(), plain(&diagnostic));
}

#[test]
fn several_are_counted() {
    let error = Diagnostic::error("a::b", "One");
    let warning = Diagnostic::warning("a::c", "Two");
    assert_eq!(
        render_all([&error, &warning, &error], &Style::default()),
        "error[a::b]: One\n\nwarning[a::c]: Two\n\nerror[a::b]: One\n\n2 errors and 1 warning\n"
    );
    assert_eq!(render_all([&error], &Style::default()), "error[a::b]: One\n");
}

#[test]
fn any_width_does() {
    let diagnostic = Diagnostic::error("a::b", "Narrow")
        .source(source(&"名".repeat(100), 50, 10, &"word ".repeat(30)))
        .fact("server", "x".repeat(300))
        .detail("y".repeat(300));
    for width in [0, 1, 20, 31, 80, 100_000, usize::MAX] {
        let page = render(&diagnostic, &Style { color: false, width });
        if (31..=80).contains(&width) {
            assert!(page.lines().skip(1).all(|l| l.width() <= width), "{page}");
        }
    }
}

#[test]
fn lines_of_one_kind_stand_under_one_label() {
    let diagnostic = Diagnostic::error("mcp::exited", "A server ended at once")
        .fact("server", "shop")
        .fact("stderr", "Traceback:")
        .fact("stderr", "ValueError: no key")
        .detail("It is not connected.")
        .state("Nothing was changed.");
    assert!(
        plain(&diagnostic).contains("\n  server  shop\n  stderr  Traceback:\n          ValueError: no key\n"),
        "{}",
        plain(&diagnostic)
    );
}
