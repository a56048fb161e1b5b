//! What a person can and cannot approve with which keys.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use super::{
    Screen, Style, fixtures,
    json::JsonSink,
    terminal::{Nobody, ReadLine, Terminal},
};
use crate::{
    intent::{AskReason, Question},
    plan::Verdict,
    review::{Answer, Human, Review},
};

#[derive(Clone, Default)]
struct Typed(Arc<Mutex<Vec<&'static str>>>, Arc<Mutex<Vec<u8>>>);

#[async_trait]
impl ReadLine for Typed {
    async fn read_line(&self, prompt: &str) -> Option<String> {
        self.1.lock().unwrap().extend_from_slice(prompt.as_bytes());
        let mut all = self.0.lock().unwrap();
        if all.is_empty() { None } else { Some(all.remove(0).to_owned()) }
    }
}

impl Write for Typed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn screen(typed: &Typed) -> Screen {
    Screen::new(Box::new(typed.clone()), Style { color: false, width: 100 }, true)
}

async fn answer(review: &Review, keys: &[&'static str]) -> (Answer, String) {
    let typed = Typed(Arc::new(Mutex::new(keys.to_vec())), Arc::default());
    let answer = Terminal::new(screen(&typed), Arc::new(typed.clone()), None).approve(review).await;
    let text = String::from_utf8(typed.1.lock().unwrap().clone()).unwrap();
    (answer, text)
}

fn harmless() -> Review {
    let mut review = fixtures::blog();
    review.plan.steps.iter_mut().for_each(|s| s.loses_data = false);
    review
}

fn how(answer: Answer) -> Option<String> {
    if let Answer::Yes(key) = answer { Some(key.how().to_owned()) } else { None }
}

#[tokio::test]
async fn a_yes_approves_a_plan_that_loses_nothing() {
    assert_eq!(how(answer(&harmless(), &["", "d", "g", "Y"]).await.0).as_deref(), Some("typed `Y`"));
}

#[tokio::test]
async fn everything_else_does_not() {
    assert_eq!(answer(&harmless(), &["yes but smaller"]).await.0, Answer::Say("yes but smaller".into()));
    assert_eq!(answer(&harmless(), &["n"]).await.0, Answer::No);
    assert_eq!(answer(&harmless(), &["e", "e replicas=4"]).await.0, Answer::Edit(vec![("replicas".into(), "4".into())]));
    assert_eq!(answer(&harmless(), &["s"]).await.0, Answer::Save(format!("{}.json", harmless().plan.short())));
    assert_eq!(answer(&harmless(), &[]).await.0, Answer::No);
}

#[tokio::test]
async fn losing_data_takes_the_name() {
    let (given, text) = answer(&fixtures::destroy(), &["y", "yes", "Shop", "shop"]).await;
    assert_eq!(given, Answer::Say("Shop".into()));
    assert!(text.contains("The data of 1 resource will be lost for good: docker:volume:data."), "{text}");
    assert!(text.contains("A yes is not enough here: type the deployment's name, shop."), "{text}");
    assert_eq!(how(answer(&fixtures::destroy(), &["y", "shop"]).await.0).as_deref(), Some("typed the deployment's name"));
    assert_eq!(how(answer(&fixtures::blog(), &["y"]).await.0), None);
}

#[tokio::test]
async fn a_denied_plan_cannot_be_approved() {
    let mut review = fixtures::destroy();
    let mut result = fixtures::blog().plan.policy[1].clone();
    result.verdict = Verdict::Deny;
    review.plan.policy = vec![result];
    let (given, text) = answer(&review, &["y", "shop"]).await;
    assert_eq!(given, Answer::Say("shop".into()));
    assert!(text.contains("A policy denies this plan"), "{text}");
}

#[tokio::test]
async fn nobody_approves_nothing() {
    let typed = Typed(Arc::new(Mutex::new(vec!["y"])), Arc::default());
    for face in [&Nobody::new(screen(&typed)) as &dyn Human, &JsonSink::new(screen(&typed))] {
        assert!(!face.present());
        assert_eq!(face.approve(&harmless()).await, Answer::No);
        assert_eq!(face.ask(&question(&[])).await, None);
    }
}

fn question(choices: &[&str]) -> Question {
    let choices = choices.iter().map(|c| (*c).to_owned()).collect();
    Question { text: "Which one?\u{1b}[2J".into(), about: vec!["target".into()], choices, reason: AskReason::AmbiguousTarget }
}

#[tokio::test]
async fn a_question_is_answered_by_number_or_by_words() {
    for (typed, want) in [("2", Some("shop")), ("blog", Some("blog")), ("9", Some("9")), ("", None)] {
        let keys = Typed(Arc::new(Mutex::new(vec![typed])), Arc::default());
        let given = Terminal::new(screen(&keys), Arc::new(keys.clone()), None).ask(&question(&["blog", "shop"])).await;
        assert_eq!(given.as_deref(), want);
        assert!(!String::from_utf8(keys.1.lock().unwrap().clone()).unwrap().contains('\u{1b}'));
    }
}
