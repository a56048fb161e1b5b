//! Whole reviews, at two widths, and what must never be in one.

use proptest::prelude::*;

use super::{Style, fixtures, lines, review::render};
use crate::review::{Level, Review};

fn at(review: &Review, level: Level, width: usize) -> String {
    render(review, level, &Style { color: false, width })
}

#[test]
fn a_review_in_brief() {
    insta::assert_snapshot!("review_brief_80", at(&fixtures::blog(), Level::Brief, 80));
    insta::assert_snapshot!("review_brief_120", at(&fixtures::blog(), Level::Brief, 120));
    insta::assert_snapshot!("review_brief_60", at(&fixtures::blog(), Level::Brief, 60));
}

#[test]
fn a_review_in_detail() {
    insta::assert_snapshot!("review_details_80", at(&fixtures::blog(), Level::Details, 80));
    insta::assert_snapshot!("review_details_120", at(&fixtures::blog(), Level::Details, 120));
}

#[test]
fn of_a_list_or_a_map_what_differs_is_what_is_seen() {
    insta::assert_snapshot!("review_collections_120", at(&fixtures::collections(), Level::Brief, 120));
    insta::assert_snapshot!("review_collections_80", at(&fixtures::collections(), Level::Brief, 80));
    insta::assert_snapshot!("review_collections_40", at(&fixtures::collections(), Level::Brief, 40));
}

#[test]
fn why_a_default_is_what_it_is_is_said_when_the_deployment_is_made() {
    let mut review = fixtures::blog();
    review.plan.base = 0;
    assert!(at(&review, Level::Brief, 120).contains("dbReplicas=2 (one primary, one replica)"));
    review.plan.base = 3;
    assert!(at(&review, Level::Brief, 120).contains("dbReplicas=2 · backup=daily"));
    assert!(at(&review, Level::Details, 120).contains("dbReplicas=2 (one primary, one replica)"));
}

#[test]
fn a_review_as_a_tree() {
    insta::assert_snapshot!("review_graph_80", at(&fixtures::blog(), Level::Graph, 80));
}

#[test]
fn a_destroy_says_what_is_lost() {
    insta::assert_snapshot!("review_destroy_80", at(&fixtures::destroy(), Level::Brief, 80));
    insta::assert_snapshot!("review_destroy_details_120", at(&fixtures::destroy(), Level::Details, 120));
}

#[test]
fn nothing_to_do_is_said() {
    let text = at(&fixtures::nothing(), Level::Brief, 80);
    assert!(text.ends_with("\nNothing to do: 2 resources are as wanted.\n"), "{text}");
}

#[test]
fn colour_adds_nothing_but_colour() {
    for level in [Level::Brief, Level::Details, Level::Graph] {
        let colored = render(&fixtures::blog(), level, &Style { color: true, width: 100 });
        assert!(colored.contains("\u{1b}[32m+"));
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), at(&fixtures::blog(), level, 100));
    }
}

#[test]
fn a_sensitive_property_is_never_shown() {
    let mut review = fixtures::blog();
    let canary = serde_json::json!("canary-5up3r");
    for step in &mut review.plan.steps {
        let shown = || fixtures::val(canary.clone());
        step.changes.push(fixtures::change("password", shown(), shown()));
        let mut record = fixtures::recorded(&step.address.to_string(), serde_json::json!({"password": canary.clone()}), &[]);
        record.depends_on.clear();
        step.intended = Some(record.clone());
        step.before = Some(record);
    }
    for level in [Level::Brief, Level::Details, Level::Graph] {
        assert!(!at(&review, level, 200).contains("canary"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn text_from_outside_cannot_move_the_cursor(text in "[\\x00-\\x1f\\x7f-\\u{9f}\\u{202a}-\\u{202e}\\u{2066}-\\u{2069}\\u{200b}a-z日 ]{0,40}", width in 20usize..200) {
        let review = fixtures::hostile(&text);
        for level in [Level::Brief, Level::Details, Level::Graph] {
            let page = at(&review, level, width);
            for line in page.lines() {
                prop_assert!(!line.chars().any(lines::is_hidden), "{line:?}");
                prop_assert!(lines::width(line) <= width, "{} > {width}: {line}", lines::width(line));
            }
        }
    }
}
