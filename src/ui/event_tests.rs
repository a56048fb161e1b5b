//! The same stream of events through both faces, on a terminal and elsewhere.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::prelude::*;

use super::{Screen, Style, fixtures, human::HumanSink, json::JsonSink, lines};
use crate::event::{Event, Sink};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn human(width: usize, terminal: bool) -> (Buffer, Arc<Mutex<Duration>>, Arc<HumanSink>) {
    let (buffer, now) = (Buffer::default(), Arc::new(Mutex::new(Duration::ZERO)));
    let screen = Screen::new(Box::new(buffer.clone()), Style { color: false, width }, terminal);
    let clock = now.clone();
    (buffer, now, HumanSink::new(screen, Box::new(move || *clock.lock().unwrap()), |d, _| format!("{}: {}\n", d.code, d.summary)))
}

/// Feeds the events, six seconds and a tick after each.
fn feed(events: Vec<Event>, now: &Mutex<Duration>, face: &HumanSink) {
    for event in events {
        face.emit(event);
        *now.lock().unwrap() += Duration::from_secs(6);
        face.tick();
    }
}

/// What a terminal of this width shows after these bytes; it knows exactly the sequences that the face may use.
fn screen(text: &str, width: usize) -> Vec<String> {
    let (mut rows, mut row, mut column) = (vec![String::new()], 0usize, 0usize);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' => {
                (row, column) = (row + 1, 0);
                if row == rows.len() {
                    rows.push(String::new());
                }
            }
            '\r' => column = 0,
            '\u{1b}' => {
                let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                match (&rest[1..end], &rest[end..=end]) {
                    (n, "A") => row -= n.parse::<usize>().unwrap(),
                    ("", "J") => {
                        assert_eq!(column, 0);
                        rows.truncate(row + 1);
                        rows[row].clear();
                    }
                    other => panic!("an unexpected sequence: {other:?}"),
                }
                rest = &rest[end + 1..];
            }
            c => {
                assert!(!lines::is_hidden(c), "{c:?} would be acted upon");
                if column == 0 {
                    rows[row].clear();
                }
                rows[row].push(c);
                column += 1;
                assert!(lines::width(&rows[row]) <= width, "a line would wrap: {}", rows[row]);
            }
        }
    }
    rows
}

const WORDS: &str = "AccessDenied: not authorized to perform route53:ChangeResourceRecordSets on zone Z123";

#[test]
fn plain_lines() {
    for width in [80, 120] {
        let (buffer, now, face) = human(width, false);
        feed(fixtures::run(WORDS), &now, &face);
        insta::assert_snapshot!(format!("run_plain_{width}"), buffer.text());
    }
}

#[test]
fn on_a_terminal_only_finished_lines_remain() {
    let (buffer, now, face) = human(80, true);
    feed(fixtures::run(WORDS), &now, &face);
    insta::assert_snapshot!("run_terminal_80", screen(&buffer.text(), 80).join("\n"));
}

#[test]
fn running_steps_stand_below_the_finished_ones() {
    let (buffer, now, face) = human(60, true);
    feed(fixtures::run(WORDS).into_iter().take(8).collect(), &now, &face);
    let rows = screen(&buffer.text(), 60);
    assert_eq!(
        rows,
        [
            "understood by the offline parser",
            "blog · plan p-7f3c2a · 4 steps in 3 waves",
            "✓   1/4 created docker:network:blog  0.8s",
            "… creating docker:container:run:blog-db-1  18s  waiting un…",
            "… creating docker:container:run:blog-web-1  6.0s",
            ""
        ]
    );
}

#[test]
fn an_unknown_outcome_is_visible_while_it_is_read_back() {
    let (buffer, now, face) = human(100, true);
    feed(fixtures::run(WORDS).into_iter().take(10).collect(), &now, &face);
    let rows = screen(&buffer.text(), 100);
    assert!(
        rows.iter().any(|r| r.starts_with("? creating docker:container:run:blog-web-1") && r.ends_with("unknown, reading back")),
        "{rows:?}"
    );
}

#[test]
fn redraws_at_most_ten_times_a_second() {
    let (buffer, now, face) = human(80, true);
    fixtures::run(WORDS).into_iter().take(4).for_each(|e| face.emit(e));
    let before = buffer.text().len();
    for _ in 0..50 {
        *now.lock().unwrap() += Duration::from_millis(1);
        face.tick();
    }
    assert_eq!(buffer.text().len(), before);
    *now.lock().unwrap() += Duration::from_millis(60);
    face.tick();
    assert!(buffer.text().len() > before);
}

#[test]
fn json_lines() {
    let buffer = Buffer::default();
    let face = JsonSink::new(Screen::new(Box::new(buffer.clone()), Style::PLAIN, false));
    fixtures::run(WORDS).into_iter().for_each(|e| face.emit(e));
    face.write(&super::json::review(&fixtures::nothing()));
    let text = buffer.text();
    assert!(text.lines().all(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["event"].is_string()));
    insta::assert_snapshot!("run_json", text);
}

#[test]
fn a_review_in_json_holds_no_sensitive_value() {
    let mut review = fixtures::blog();
    let canary = serde_json::json!("canary-5up3r");
    for step in &mut review.plan.steps {
        let shown = || fixtures::val(canary.clone());
        step.changes.push(fixtures::change("password", shown(), shown()));
        step.before = Some(fixtures::recorded("docker:network:x", serde_json::json!({"password": canary.clone()}), &[]));
    }
    let text = super::json::line(&super::json::review(&review));
    assert!(!text.contains("canary") && !text.contains("hunter2"));
    assert!(text.contains("mariadb:11"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn words_from_outside_cannot_move_the_cursor(words in "[\\x00-\\x1f\\x7f-\\u{9f}\\u{202a}-\\u{202e}\\u{2066}-\\u{2069}a-z日 ]{0,80}", width in 20usize..200) {
        let (buffer, now, face) = human(width, true);
        let mut events = fixtures::run(&words);
        let at = fixtures::address("docker:container:run:blog-db-1");
        events.insert(7, Event::StepProgress { step: 1, address: at, state: words.clone(), elapsed_ms: 1 });
        events.insert(0, Event::Notice { text: words });
        feed(events, &now, &face);
        screen(&buffer.text(), width);
    }
}
