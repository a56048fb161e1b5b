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
