//! Questions of servers to the person. Only where a person is present are servers told that there is someone to ask.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    mcp::{Answer, Ask, Question, Wanted},
    review::Human,
};

/// Puts the questions of servers to a person.
struct Elicit(Arc<dyn Human>);

/// Who answers the questions of servers; nobody if no person is there.
pub(super) fn asker(human: &Arc<dyn Human>) -> Option<Arc<dyn Ask>> {
    human.present().then(|| Arc::new(Elicit(human.clone())) as Arc<dyn Ask>)
}

#[async_trait]
impl Ask for Elicit {
    async fn ask(&self, question: Question) -> Answer {
        match &question.wanted {
            Wanted::Form(form) => self.0.fill(&question, form).await,
            Wanted::Url(page) => {
                let said = question.message.lines().map(|line| format!("  │ {line}\n")).collect::<String>();
                let why = format!(
                    "The server `{}` wants you to open a page. Its words:\n{said}Swell does not see what you do there.",
                    question.server
                );
                if self.0.visit(&why, page).await { Answer::Accept(Default::default()) } else { Answer::Decline }
            }
        }
    }
}
