//! What the configured model says about a draft: one question with a closed schema, one chance to repair, and then the rules alone.
//!
//! The model sees what the server says about its tools, as data, and answers with data. Whether anything of it is taken is decided in
//! `mcp/binding/draft`, against the tools themselves.

use serde_json::{Value, json};

use crate::{
    app::LiveModel,
    llm::{LlmError, Message, Reply, ReplySchema, Request, Speaker, scrub, shown},
    mcp::binding::draft::{Detail, Drafting, Judged, Proposal, Refinement},
};

/// The most that is shown of a server's tools, in bytes of JSON.
const MAX_DATA: usize = 96 << 10;

/// How much of a bad reply the model is shown again, in characters.
const MAX_ECHO: usize = 8_000;

/// The most problems that the model is told.
const MAX_PROBLEMS: usize = 12;

/// Asks the model. The error says in a few words why nothing of it is used.
pub(super) async fn ask(model: &LiveModel, drafting: &Drafting<'_>) -> Result<Refinement, String> {
    let failed = |e: LlmError| format!("the model did not help ({})", shown(&e.to_string(), 300));
    let data = fitting(drafting)?;
    let system = model.prompts.render("bindings/system", json!({})).map_err(|e| failed(e.into()))?;
    let user = model.prompts.render("bindings/request", data).map_err(|e| failed(e.into()))?;
    let request = Request {
        prompt: format!("{} {}", system.version, user.version),
        schema: Some(ReplySchema { name: "binding".to_owned(), schema: Proposal::schema() }),
        max_tokens: 8_192,
        ..Request::new(
            "bindings-draft",
            model.name.clone(),
            vec![Message::new(Speaker::System, system.text), Message::new(Speaker::User, user.text)],
        )
    };
    let by = &model.name;
    let reply = model.llm.complete(request.clone()).await.map_err(failed)?;
    let first = read(&reply, drafting, by).map_err(failed)?;
    let problems = problems(&first);
    if problems.is_empty() {
        return first.map(|judged| Refinement { by: by.clone(), judged });
    }
    tracing::debug!(model = %by, ?problems, "what the model says of the tools does not hold; asking once more");
    let repaired = match again(model, request, &reply, &problems).await {
        Ok(reply) => read(&reply, drafting, by).unwrap_or_else(|e| Err(e.to_string())),
        Err(error) => Err(error.to_string()),
    };
    // What held of the first answer still does, if the second is none.
    match (repaired, first) {
        (Ok(judged), _) | (Err(_), Ok(judged)) => Ok(Refinement { by: by.clone(), judged }),
        (Err(why), Err(_)) => Err(format!("the model's answer cannot be used ({})", shown(&why, 300))),
    }
}

/// The tools in as many words as there is room for.
fn fitting(drafting: &Drafting<'_>) -> Result<Value, String> {
    let clean = |text: &str| scrub::scrub(text).text;
    for detail in [Detail::Arguments, Detail::Tools, Detail::Names] {
        let data = drafting.outline(detail, &clean);
        if data.to_string().len() <= MAX_DATA {
            return Ok(data);
        }
    }
    Err(format!("the model was not asked: the names of the tools alone are more than {} KiB", MAX_DATA >> 10))
}

/// `Ok(Err(why))` is an answer that is none, which is worth one more try; an error is no answer at all.
fn read(reply: &Reply, drafting: &Drafting<'_>, by: &str) -> Result<Result<Judged, String>, LlmError> {
    Ok(match reply.json() {
        Ok(Ok(value)) => Proposal::parse(&value).map(|p| drafting.judge(&p, by)),
        Ok(Err(why)) => Err(format!("it is not a JSON object: {why}")),
        Err(e) if e.is_about_content() => Err(e.to_string()),
        Err(e) => return Err(e),
    })
}

fn problems(read: &Result<Judged, String>) -> Vec<String> {
    match read {
        Err(why) => vec![why.clone()],
        Ok(judged) => judged.refused.iter().take(MAX_PROBLEMS).map(|r| format!("type `{}`: {}", r.name, r.reason)).collect(),
    }
}

async fn again(model: &LiveModel, request: Request, reply: &Reply, problems: &[String]) -> Result<Reply, LlmError> {
    let prompt = model.prompts.render("bindings/repair", json!({"problems": problems}))?;
    let mut messages = request.messages;
    let echo: String = reply.content.chars().take(MAX_ECHO).collect();
    if !echo.trim().is_empty() {
        messages.push(Message::new(Speaker::Assistant, echo));
    }
    messages.push(Message::new(Speaker::User, prompt.text));
    let request = Request {
        purpose: "bindings-draft-repair".to_owned(),
        prompt: format!("{} {}", request.prompt, prompt.version),
        messages,
        max_tokens: request.max_tokens * 2,
        ..request
    };
    model.llm.complete(request).await
}

#[cfg(test)]
#[path = "refine/tests.rs"]
mod tests;
