//! One call of a binding: arguments made and checked, sent, read, and judged.
//!
//! Nothing is sent that the tool's own schema does not know: most servers drop an unknown argument without a word. What a failure means
//! for the journal is decided as for any other call (see [`CallError`]).

use std::time::Duration;

use serde_json::Value;

use super::{
    Call, ErrorRule, Wait,
    decode::{Undecoded, decode},
    expression::{Scope, Wrong},
    server::BoundServer,
};
use crate::{
    domain::{
        Properties,
        text::{clean, clean_line},
    },
    mcp::{CallControl, CallError, Effect, Refusal, call::unusable, reply::Reply, tools::Tool},
    template::Span,
};

/// What a call gave.
#[derive(Debug, Clone, Default)]
pub(super) struct Performed {
    /// The result, as the binding reads it.
    pub result: Value,
    /// The text as it came. Untrusted.
    pub text: String,
}

impl BoundServer {
    /// Performs a call; `None` if its condition does not hold.
    pub(super) async fn perform(&self, call: &Call, scope: &Scope, control: &CallControl) -> Result<Option<Performed>, CallError> {
        let broken = |wrong: Wrong| self.not_sent(wrong.span, &wrong.reason);
        if let Some(when) = &call.when
            && !when.holds(scope).map_err(broken)?
        {
            return Ok(None);
        }
        let arguments = match call.arguments.value(scope).map_err(broken)? {
            Some(Value::Object(map)) => map,
            None => Properties::new(),
            Some(_) => return Err(self.not_sent(call.span, "the arguments are no map")),
        };
        let tools = self.tools().await?;
        let tool = tools.get(call.tool.as_str()).ok_or_else(|| self.not_sent(call.span, "the server no longer offers this tool"))?;
        check_arguments(tool, &arguments).map_err(|reason| self.not_sent(call.span, &reason))?;
        let done = match self.insist(call, arguments, scope, control).await {
            Err(no) => return Err(self.explained(call, scope, no).await),
            Ok(done) => done,
        };
        if let Some(wait) = &call.wait {
            return self.wait(call, wait, scope, &done, control).await.map(Some);
        }
        Ok(Some(done))
    }

    /// Like [`Self::perform`], for a call that has no condition.
    pub(super) async fn ask(&self, call: &Call, scope: &Scope, control: &CallControl) -> Result<Performed, CallError> {
        let done = self.perform(call, scope, control).await?;
        Ok(done.unwrap_or(Performed { result: Value::Null, text: String::new() }))
    }

    /// A no, with what a read says about it.
    async fn explained(&self, call: &Call, scope: &Scope, no: CallError) -> CallError {
        let (Some(explain), CallError::Refused { server, tool, class, message }) = (&call.explain, &no) else { return no };
        if *class != explain.class {
            return no;
        }
        // That it cannot be explained takes nothing from the no.
        let Ok(seen) = Box::pin(self.ask(&explain.call, scope, &CallControl::read())).await else { return no };
        let scope = scope.clone().with("result", seen.result).with("text", seen.text);
        let more = explain.text.text(&scope).ok().flatten().map(|t| clean(t.trim(), 2000)).unwrap_or_default();
        if more.is_empty() {
            return no;
        }
        CallError::Refused { server: server.clone(), tool: tool.clone(), class: *class, message: format!("{message}; {more}") }
    }

    /// Asks again while the no is one that may pass.
    async fn insist(&self, call: &Call, arguments: Properties, scope: &Scope, control: &CallControl) -> Result<Performed, CallError> {
        let Some(retry) = call.retry else { return self.send(call, arguments, scope, control).await };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(retry.timeout);
        loop {
            match self.send(call, arguments.clone(), scope, control).await {
                Err(CallError::Refused { class, .. }) if class == retry.class && tokio::time::Instant::now() < deadline => {}
                other => return other,
            }
            tokio::select! {
                // Every no so far was certain: nothing was done.
                () = control.cancel.cancelled() => return self.send(call, arguments, scope, control).await,
                () = tokio::time::sleep(Duration::from_secs(retry.interval)) => {}
            }
        }
    }

    async fn send(&self, call: &Call, arguments: Properties, scope: &Scope, control: &CallControl) -> Result<Performed, CallError> {
        let answer = self.connection().call(&call.tool, arguments, call.effect, control).await;
        self.judge(call, scope, answer)
    }

    /// What an answer comes to, as the binding sees it.
    pub(super) fn judge(&self, call: &Call, scope: &Scope, answer: Result<Reply, CallError>) -> Result<Performed, CallError> {
        let reply = match answer {
            Ok(reply) => reply,
            Err(CallError::Refused { server, tool, class, message }) => {
                let (class, message) = classify(&call.errors, class, message);
                return Err(CallError::Refused { server, tool, class, message });
            }
            Err(other) => return Err(other),
        };
        if let Some(failure) = &call.failure {
            let scope = Scope::default().maybe("result", reply.json()).with("text", reply.text.clone());
            let words = failure.text(&scope).map_err(|w| self.lie(call, w.span, &w.reason))?.unwrap_or_default();
            if !words.trim().is_empty() {
                let (class, message) = classify(&call.errors, Refusal::Other, clean(words.trim(), 4000));
                return Err(self.refuse(call, class, message));
            }
        }
        let result = match decode(&reply, &call.result) {
            Ok(result) => result,
            Err(undecoded) => return Err(self.undecoded(call, &reply, &undecoded)),
        };
        if let Some(success) = &call.success {
            let scope = scope.clone().with("result", result.clone()).with("text", reply.text.clone());
            let holds = success.holds(&scope).map_err(|w| self.lie(call, w.span, &w.reason))?;
            if !holds {
                let (class, message) = classify(&call.errors, Refusal::Other, clean(reply.text.trim(), 4000));
                return Err(CallError::Refused { server: self.connection().name().clone(), tool: call.tool.clone(), class, message });
            }
        }
        Ok(Performed { result, text: reply.text })
    }

    /// A result that cannot be read may be a no that calls itself a success.
    fn undecoded(&self, call: &Call, reply: &Reply, undecoded: &Undecoded) -> CallError {
        match call.errors.iter().find(|rule| rule.text.is_match(&reply.text)) {
            Some(rule) => {
                let (class, message) = classify(std::slice::from_ref(rule), Refusal::Other, clean(reply.text.trim(), 4000));
                CallError::Refused { server: self.connection().name().clone(), tool: call.tool.clone(), class, message }
            }
            None => self.lie(call, undecoded.span, &undecoded.reason),
        }
    }

    async fn wait(
        &self,
        call: &Call,
        wait: &Wait,
        scope: &Scope,
        started: &Performed,
        control: &CallControl,
    ) -> Result<Performed, CallError> {
        let unknown = |reason: String| CallError::Unknown { server: self.connection().name().clone(), tool: call.tool.clone(), reason };
        let scope = scope.clone().with("started", started.result.clone());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(wait.timeout);
        loop {
            tokio::select! {
                () = control.cancel.cancelled() => return Err(unknown("it was cancelled while it was being waited for".to_owned())),
                () = tokio::time::sleep(Duration::from_secs(wait.interval)) => {}
            }
            let seen = Box::pin(self.ask(&wait.call, &scope, &CallControl::read())).await;
            if let Ok(seen) = &seen {
                let scope = scope.clone().with("result", seen.result.clone()).with("text", seen.text.clone());
                let asked = |e: &super::Expression| e.holds(&scope).map_err(|w| self.lie(call, w.span, &w.reason));
                if let Some(fail_if) = &wait.fail_if
                    && asked(fail_if)?
                {
                    let (class, message) = classify(&wait.call.errors, Refusal::Other, clean(seen.text.trim(), 4000));
                    return Err(CallError::Refused { server: self.connection().name().clone(), tool: call.tool.clone(), class, message });
                }
                if asked(&wait.until)? {
                    return Ok(seen.clone());
                }
            }
            if tokio::time::Instant::now() >= deadline {
                let last = seen.err().map_or_else(String::new, |e| format!(": {}", e.message()));
                return Err(unknown(format!("it was not done after {} s{last}", wait.timeout)));
            }
        }
    }

    /// Nothing was sent, because of the binding at this place.
    pub(super) fn not_sent(&self, span: Span, reason: &str) -> CallError {
        let reason = format!("{}: {}", self.binding().place(span), clean(reason, 1000));
        CallError::NotSent { server: self.connection().name().clone(), reason }
    }

    /// An answer that cannot be used, and the place in the binding that says so.
    pub(super) fn lie(&self, call: &Call, span: Span, reason: &str) -> CallError {
        unusable(self.connection(), &call.tool, call.effect, &format!("{} ({})", clean(reason, 1000), self.binding().place(span)))
    }

    /// A no in our own words.
    pub(super) fn refuse(&self, call: &Call, class: Refusal, message: String) -> CallError {
        CallError::Refused { server: self.connection().name().clone(), tool: call.tool.clone(), class, message }
    }

    /// A change of which nobody knows what came.
    pub(super) fn unknown(&self, call: &Call, reason: &str) -> CallError {
        unusable(self.connection(), &call.tool, Effect::Change, reason)
    }
}

/// The class that the binding's rules give to a text, and the words for the person.
pub(super) fn classify(rules: &[ErrorRule], class: Refusal, message: String) -> (Refusal, String) {
    match rules.iter().find(|rule| rule.text.is_match(&message)) {
        Some(ErrorRule { class, say: Some(say), .. }) => (*class, format!("{message} ({say})")),
        Some(rule) => (rule.class, message),
        None => (class, message),
    }
}

/// What is wrong with arguments, as the tool's own schema sees it. Never a value: it may be a secret.
pub(super) fn check_arguments(tool: &Tool, arguments: &Properties) -> Result<(), String> {
    let schema = tool.input_schema();
    for name in arguments.keys() {
        known_argument(tool, name)?;
    }
    let Ok(validator) = jsonschema::options().offline().build(schema) else { return Ok(()) };
    let instance = Value::Object(arguments.clone());
    let problems: Vec<String> = validator
        .iter_errors(&instance)
        .take(5)
        .map(|e| {
            let at = e.instance_path().to_string();
            let at = at.trim_start_matches('/').replace('/', ".");
            let what = clean_line(&e.masked().to_string(), 200);
            if at.is_empty() { what } else { format!("`{at}`: {what}") }
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("the tool `{}` does not take these arguments: {}", tool.name, problems.join("; ")))
    }
}

/// Whether a tool has an argument of this name.
pub(super) fn known_argument(tool: &Tool, name: &str) -> Result<(), String> {
    let schema = tool.input_schema();
    let open = schema.get("additionalProperties").is_some_and(|a| a == true || a.is_object()) || schema.get("patternProperties").is_some();
    let names: Vec<&str> =
        schema.get("properties").and_then(Value::as_object).map(|p| p.keys().map(String::as_str).collect()).unwrap_or_default();
    if open || names.contains(&name) {
        return Ok(());
    }
    let near = crate::domain::name::nearest(name, names.iter().copied());
    let hint = near.map_or_else(String::new, |n| format!("; did you mean `{}`?", clean_line(n, 60)));
    Err(format!("the tool `{}` has no argument `{name}`{hint}", tool.name))
}
