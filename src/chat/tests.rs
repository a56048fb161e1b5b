//! The repair that was offered: words open its review, a key approves it, and nothing else runs it.

use crate::{inspect::testing::Desk, sandbox::Poke};

use super::*;

async fn say(desk: &Desk, talk: &mut Conversation, text: &str) -> Vec<Reply> {
    turn(&desk.app, talk, text, Manner::PlanOnly).await.unwrap()
}

#[test]
fn words_that_take_an_offer() {
    for text in ["fix it", "yes, repair it", "Do it!", "yes please", "ok, go ahead", "please fix it now", "yes"] {
        assert!(accepts(text), "{text}");
    }
    for text in ["", "please", "no", "don't fix it", "fix the typo", "what would that do?", "yes but not the database", "destroy it"] {
        assert!(!accepts(text), "{text}");
    }
}

#[tokio::test]
async fn fix_it_opens_the_plan_and_runs_nothing() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    desk.poke("docker:container:run:shop-db", Poke::Kill);
    let before = desk.state().await;
    let mut talk = Conversation::default();
    let replies = say(&desk, &mut talk, "why is shop down?").await;
    let Some(Reply::Answer { answer }) = replies.first() else { panic!("{replies:?}") };
    let offered = answer.proposal.clone().unwrap();
    assert_eq!(talk.proposal.as_ref(), Some(&offered));
    // Looking closer keeps the offer.
    say(&desk, &mut talk, "show me the logs of shop-db").await;
    let replies = say(&desk, &mut talk, "yes, fix it").await;
    let Some(Reply::Planned { plan, deployment, .. }) = replies.first() else { panic!("{replies:?}") };
    assert!(offered.text.contains(plan.as_str()), "the plan that was offered: {offered:?}, the plan that was opened: {plan}");
    assert_eq!(deployment.as_str(), "shop");
    assert_eq!(talk.proposal, None);
    assert_eq!(desk.state().await, before, "words must not run a plan");
}

#[tokio::test]
async fn without_an_offer_the_words_mean_nothing_special() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    let mut talk = Conversation::default();
    let replies = say(&desk, &mut talk, "fix it").await;
    assert!(!matches!(replies.first(), Some(Reply::Planned { .. })), "{replies:?}");
}

#[tokio::test]
async fn a_yes_or_a_no_without_a_plan_says_that_there_is_none() {
    let desk = Desk::new().await;
    let said = async |text: &str| match say(&desk, &mut Conversation::default(), text).await.first() {
        Some(Reply::Say { text }) => text.clone(),
        other => panic!("{other:?}"),
    };
    for text in ["yes", "approved, apply it", "OK, go ahead"] {
        assert!(said(text).await.starts_with("No plan is open"), "{text}");
    }
    assert_eq!(said("never mind").await, "No plan was open. Nothing was changed.");
    assert!(!agrees("apply the discount to my order") && !agrees("") && !agrees("?!"));
}

#[tokio::test]
async fn a_fault_without_a_name_is_looked_for_everywhere() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    let calm =
        serde_json::json!({"name": "calm", "resources": [{"server": "docker", "type": "network", "name": "calm-net", "properties": {}}]});
    desk.apply(&calm).await;
    desk.poke("docker:container:run:shop-db", Poke::Kill);
    let replies = say(&desk, &mut Conversation::default(), "why is it broken?").await;
    let Some(Reply::Answer { answer }) = replies.first() else { panic!("{replies:?}") };
    assert!(answer.headline.starts_with("shop: shop-db has failed"), "{}", answer.headline);
}

#[tokio::test]
async fn a_question_about_the_open_plan_is_answered_from_it_and_leaves_it_open() {
    let desk = Desk::new().await;
    let mut talk = Conversation::default();
    say(&desk, &mut talk, "deploy WordPress with HA on blog.example.org").await;
    let open = talk.review.as_ref().unwrap().plan.short();
    for (text, headline) in [
        ("what will this cost?", "Swell does not know what anything costs."),
        ("why two replicas?", "replicas is 2: nobody said, and the pattern takes it: two, so that one may fail."),
        ("what will this plan do?", "Plan "),
    ] {
        let replies = say(&desk, &mut talk, text).await;
        let Some(Reply::Answer { answer }) = replies.first() else { panic!("{text}: {replies:?}") };
        assert!(answer.headline.starts_with(headline), "{text}: {answer:?}");
        assert_eq!(talk.review.as_ref().map(|r| r.plan.short()), Some(open.clone()), "{text}");
    }
    // A correction still edits the same plan.
    let replies = say(&desk, &mut talk, "make it 4 replicas").await;
    assert!(matches!(replies.first(), Some(Reply::Planned { .. })), "{replies:?}");
    assert_eq!(talk.pending.as_ref().unwrap().params["replicas"].value, serde_json::json!(4));
}

#[tokio::test]
async fn where_something_shall_run_is_heard_when_it_is_made_and_when_it_is_corrected() {
    let desk = Desk::new().await;
    let mut talk = Conversation::default();
    say(&desk, &mut talk, "load balanced app on kiosk.example.org on docker, 2 to 4 instances").await;
    assert_eq!(talk.pending.as_ref().unwrap().params["platform"].value, serde_json::json!("docker"));
    say(&desk, &mut talk, "run it on kubernetes instead").await;
    assert_eq!(talk.pending.as_ref().unwrap().params["platform"].value, serde_json::json!("kubernetes"));
}

#[tokio::test]
async fn a_restart_is_a_plan_that_makes_one_resource_anew() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    for text in ["restart shop-db", "please recreate shop-db", "replace shop-db", "bounce docker:container:run:shop-db"] {
        let mut talk = Conversation::default();
        let replies = say(&desk, &mut talk, text).await;
        assert!(matches!(replies.first(), Some(Reply::Planned { .. })), "{text}: {replies:?}");
        let review = talk.review.unwrap();
        assert_eq!(review.counts.replace, 1, "{text}: {:?}", review.counts);
        assert!(review.plan.steps.iter().any(|s| s.address.name.as_str() == "shop-db" && s.replace.is_some()), "{text}");
    }
    // Which one is asked, and the answer is enough.
    let mut talk = Conversation::default();
    let replies = say(&desk, &mut talk, "restart shop").await;
    let Some(Reply::Ask { question }) = replies.first() else { panic!("{replies:?}") };
    assert!(question.choices.iter().all(|c| c.starts_with("docker:container:run:")), "{question:?}");
    let replies = say(&desk, &mut talk, &question.choices[0]).await;
    assert!(matches!(replies.first(), Some(Reply::Planned { .. })), "{replies:?}");
}

#[tokio::test]
async fn a_start_brings_back_and_what_cannot_be_done_says_what_can() {
    let desk = Desk::new().await;
    desk.apply(&Desk::shop()).await;
    desk.poke("docker:container:run:shop-db", Poke::Kill);
    let replies = say(&desk, &mut Conversation::default(), "start shop").await;
    assert!(matches!(replies.first(), Some(Reply::Planned { .. })), "{replies:?}");
    for (text, way) in
        [("stop shop", "`destroy shop`"), ("take a backup of shop", "no backup setting"), ("restore shop", "`roll back shop`")]
    {
        let replies = say(&desk, &mut Conversation::default(), text).await;
        let Some(Reply::Say { text: words }) = replies.first() else { panic!("{text}: {replies:?}") };
        assert!(words.contains(way) && words.contains("Nothing was changed."), "{text}: {words}");
    }
}

#[tokio::test]
async fn a_question_that_was_not_answered_is_asked_again() {
    let desk = Desk::new().await;
    let mut talk = Conversation::default();
    say(&desk, &mut talk, "deploy wordpress").await;
    for text in ["i dont know, what is that", "tell me a joke"] {
        let replies = say(&desk, &mut talk, text).await;
        let Some(Reply::Ask { question }) = replies.first() else { panic!("{text}: {replies:?}") };
        assert_eq!(question.about, ["domain"], "{text}");
    }
    let replies = say(&desk, &mut talk, "blog.example.org").await;
    assert!(matches!(replies.first(), Some(Reply::Planned { .. })), "{replies:?}");
}

#[tokio::test]
async fn everything_at_once_is_taken_one_by_one() {
    let desk = Desk::new().await;
    let net = |name: &str| serde_json::json!({"name": name, "resources": [{"server": "docker", "type": "network", "name": format!("{name}-net"), "properties": {}}]});
    let mut talk = Conversation::default();
    let failure = turn(&desk.app, &mut talk, "delete everything", Manner::PlanOnly).await.unwrap_err();
    assert_eq!(failure.0[0].code, "deployment::none", "{failure:?}");
    desk.apply(&net("calm")).await;
    let replies = say(&desk, &mut Conversation::default(), "delete everything").await;
    let Some(Reply::Planned { deployment, .. }) = replies.first() else { panic!("{replies:?}") };
    assert_eq!(deployment.as_str(), "calm");
    desk.apply(&net("shop")).await;
    for text in ["delete everything", "destroy all my stuff", "destroy calm and shop"] {
        let mut talk = Conversation::default();
        let replies = say(&desk, &mut talk, text).await;
        let Some(Reply::Ask { question }) = replies.first() else { panic!("{text}: {replies:?}") };
        assert_eq!(question.choices, ["calm", "shop"], "{text}");
        let replies = say(&desk, &mut talk, "all of them").await;
        assert!(matches!(replies.first(), Some(Reply::Ask { .. })), "{text}: {replies:?}");
        let replies = say(&desk, &mut talk, "shop").await;
        let Some(Reply::Planned { deployment, .. }) = replies.first() else { panic!("{text}: {replies:?}") };
        assert_eq!(deployment.as_str(), "shop", "{text}");
        let demand = talk.review.as_ref().unwrap().demand();
        assert!(matches!(demand, crate::review::Demand::TypeName { .. }), "{text}: {demand:?}");
    }
}
