//! The conversation's memory between two starts. It is saved after every turn, without anything that looks like a secret.

use crate::{app::App, chat::Conversation, diagnostic::Failure, domain::text::clean, intent::Role, llm::scrub::scrub_json};

/// An earlier conversation.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// Its id; going on with it keeps the id.
    pub id: String,
    /// The conversation.
    pub talk: Conversation,
    /// What it was, in a few words.
    pub what: String,
}

/// The conversation that was saved last. One that an older version wrote and that cannot be read any more is left alone.
pub async fn last(app: &App) -> Result<Option<Earlier>, Failure> {
    let Some((id, value)) = app.store().last_session().await? else { return Ok(None) };
    let Ok(talk) = serde_json::from_value::<Conversation>(value) else { return Ok(None) };
    let turns = talk.history.iter().filter(|t| t.role == Role::User).count();
    let Some(said) = talk.history.iter().rev().find(|t| t.role == Role::User) else { return Ok(None) };
    let what = match turns {
        1 => format!("you said \"{}\"", clean(&said.text, 50)),
        n => format!("{n} turns, the last \"{}\"", clean(&said.text, 50)),
    };
    Ok(Some(Earlier { id, talk, what }))
}

/// Saves a conversation in which something was said.
pub async fn save(app: &App, id: &str, talk: &Conversation) -> Result<(), Failure> {
    if talk.history.is_empty() {
        return Ok(());
    }
    let value = serde_json::to_value(talk).unwrap_or_default();
    Ok(app.store().save_session(id, &scrub_json(&value)).await?)
}

/// The conversation as text, for `/save`.
pub fn transcript(talk: &Conversation) -> String {
    talk.history
        .iter()
        .map(|turn| match turn.role {
            Role::User => turn.text.lines().map(|l| format!("> {l}\n")).collect::<String>() + "\n",
            Role::Assistant => format!("{}\n\n", turn.text.trim_end()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::Turn;

    #[test]
    fn a_transcript_quotes_what_the_person_said() {
        let turn = |role, text: &str| Turn { role, text: text.into() };
        let history = vec![turn(Role::User, "scale blog\nto 4"), turn(Role::Assistant, "Done.")];
        assert_eq!(transcript(&Conversation { history, ..Conversation::default() }), "> scale blog\n> to 4\n\nDone.\n\n");
    }
}
