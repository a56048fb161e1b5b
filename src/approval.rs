//! The one place where a plan becomes one that can run.
//!
//! An [`ApprovedPlan`] is bound to the digest that was shown, expires, and is consumed by value when it is applied. Nothing that a model,
//! a server or a file says is a [`Consent`].

use crate::{
    diagnostic::{Diagnostic, Explain},
    domain::{Action, Timestamp},
    plan::{Plan, Verdict},
    review::{Demand, KeyPress, Review, VALID_MINUTES},
    store::RunId,
};

/// What stands for a person's yes.
#[derive(Debug, PartialEq)]
pub enum Consent {
    /// A key pressed on a terminal, after seeing the review with this digest.
    KeyPress {
        /// The proof.
        key: KeyPress,
        /// The digest of the review that was on the screen.
        shown: String,
    },
    /// `--yes` on the command line, for a plan that was saved and named by its file.
    SavedPlan {
        /// The digest that the file states.
        digest: String,
        /// `--max-destroy`.
        max_destroy: Option<usize>,
    },
    /// `--yes --max-destroy N` for a plan made by this command.
    Bounded {
        /// At most so many deletes (replaces count).
        max_destroy: usize,
    },
    /// A rule that the operator wrote into the configuration.
    Rule(Rule),
    /// The rest of a run that a person had approved: only steps that were in it.
    Resumed {
        /// The run.
        run: RunId,
        /// How that one was approved.
        how: String,
        /// The plan that was approved.
        approved: Box<Plan>,
    },
}

/// An operator's rule for automatic approval.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Names of deployments; `*` stands for any characters.
    pub deployments: Vec<String>,
    /// Which actions.
    pub actions: Vec<Action>,
    /// At most so many steps.
    pub max_steps: usize,
    /// Until when.
    pub until: Timestamp,
}

impl Rule {
    /// Whether the rule covers every step of the plan now.
    pub fn covers(&self, plan: &Plan, now: Timestamp) -> bool {
        now < self.until
            && plan.steps.len() <= self.max_steps
            && self.deployments.iter().any(|pattern| glob(pattern, plan.deployment.as_str()))
            && plan.steps.iter().all(|s| self.actions.contains(&s.action) && !s.loses_data)
            && plan.steps.iter().all(|s| s.replace.is_none() || self.actions.contains(&Action::Replace))
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters.
pub fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text
            .strip_prefix(head)
            .is_some_and(|tail| (0..=tail.len()).filter(|&i| tail.is_char_boundary(i)).any(|i| glob(rest, &tail[i..]))),
    }
}

/// A plan that may run once.
#[derive(Debug, PartialEq)]
#[must_use = "an approved plan does nothing until it is applied"]
pub struct ApprovedPlan {
    plan: Plan,
    digest: String,
    how: String,
    resumes: bool,
    expires: Timestamp,
}

/// What an approved plan is taken apart into.
#[derive(Debug)]
pub struct Consumed {
    /// The plan.
    pub plan: Plan,
    /// Its digest.
    pub digest: String,
    /// How it was approved, for the journal.
    pub how: String,
    /// It is the rest of a run that was stopped.
    pub resumes: bool,
}

impl ApprovedPlan {
    /// The plan, for reading.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The digest to which the approval is bound.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How it was approved, for the journal.
    pub fn how(&self) -> &str {
        &self.how
    }

    /// Takes the plan out; checks that the approval has not expired.
    pub fn consume(self, now: Timestamp) -> Result<Consumed, ApprovalError> {
        if now > self.expires {
            return Err(ApprovalError::Expired { short: self.plan.short() });
        }
        Ok(Consumed { plan: self.plan, digest: self.digest, how: self.how, resumes: self.resumes })
    }
}

/// Why a plan is not approved.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApprovalError {
    /// The consent is for another plan than this one.
    #[error("the approval is for another plan")]
    OtherPlan,
    /// A policy denies it.
    #[error("a policy denies the plan")]
    Denied {
        /// Which, and what it found.
        findings: Vec<String>,
    },
    /// `--yes` does not cover so many deletes.
    #[error("the plan destroys more than was allowed")]
    TooMuch {
        /// How many it deletes.
        destroys: usize,
        /// How many were allowed.
        allowed: Option<usize>,
        /// Whether data is lost.
        loses_data: bool,
    },
    /// It was shown too long ago.
    #[error("the approval has expired")]
    Expired {
        /// The plan's short name.
        short: String,
    },
    /// The rest of an interrupted run needs other steps than those that were approved.
    #[error("the rest of the run needs other steps")]
    NotResumable {
        /// Which steps are new.
        steps: Vec<String>,
    },
}

impl Explain for ApprovalError {
    fn explain(&self) -> Diagnostic {
        match self {
            ApprovalError::OtherPlan => Diagnostic::error("approval::other-plan", "The approval is for another plan")
                .detail("The plan that was approved and the plan at hand have different digests.")
                .state("Nothing was changed.")
                .hint("Plan again and look at the new review."),
            ApprovalError::Denied { findings } => Diagnostic::error("approval::policy", "A policy denies the plan")
                .detail(findings.join("\n"))
                .state("Nothing was changed. A denied plan cannot be approved.")
                .hint("Change the template so that the policy passes, or change the policy in `.swell/policies`."),
            ApprovalError::TooMuch { destroys, allowed, loses_data } => {
                let data = if *loses_data { ", and data is lost" } else { "" };
                let bound = match allowed {
                    Some(n) => format!("`--max-destroy {n}` allows {n}"),
                    None => "`--yes` alone allows none".to_owned(),
                };
                Diagnostic::error("approval::too-much", "The plan destroys more than was allowed")
                    .detail(format!("It deletes {destroys} resource{}{data}; {bound}.", if *destroys == 1 { "" } else { "s" }))
                    .state("Nothing was changed.")
                    .next("If that is meant, allow it:", format!("… --yes --max-destroy {destroys}"))
            }
            ApprovalError::Expired { short } => Diagnostic::error("approval::expired", "The approval has expired")
                .detail(format!("Plan {short} was shown more than {VALID_MINUTES} minutes ago."))
                .state("Nothing was changed.")
                .hint("Plan again and look at the new review."),
            ApprovalError::NotResumable { steps } => Diagnostic::error("approval::not-resumable", "The rest of the run needs other steps")
                .detail(format!("These were not in the plan that was approved: {}.", steps.join(", ")))
                .state("Nothing was changed since the run stopped.")
                .hint("The new plan needs an approval of its own: run `swell resume` on a terminal, or save the plan and apply it."),
        }
    }
}

/// Turns a reviewed plan and a yes into a plan that can run.
pub fn approve(review: &Review, consent: Consent, now: Timestamp) -> Result<ApprovedPlan, ApprovalError> {
    let plan = &review.plan;
    let digest = plan.digest();
    if digest != review.digest {
        return Err(ApprovalError::OtherPlan);
    }
    let denied: Vec<String> = plan
        .policy
        .iter()
        .filter(|p| p.verdict == Verdict::Deny)
        .flat_map(|p| p.findings.iter().map(move |f| format!("{}: {f}", p.policy)))
        .collect();
    if !denied.is_empty() {
        return Err(ApprovalError::Denied { findings: denied });
    }
    let loses_data = plan.losses().next().is_some();
    let too_much = |allowed| ApprovalError::TooMuch { destroys: plan.destroys(), allowed, loses_data };
    let resumes = matches!(consent, Consent::Resumed { .. });
    let how = match consent {
        Consent::KeyPress { key, shown } => {
            if shown != digest {
                return Err(ApprovalError::OtherPlan);
            }
            if let Demand::TypeName { name, .. } = review.demand()
                && key.how() != crate::review::typed(name.as_str())
            {
                return Err(ApprovalError::OtherPlan);
            }
            key.how().to_owned()
        }
        Consent::SavedPlan { digest: stated, max_destroy } => {
            if stated != digest {
                return Err(ApprovalError::OtherPlan);
            }
            if (loses_data || max_destroy.is_some()) && plan.destroys() > max_destroy.unwrap_or(0) {
                return Err(too_much(max_destroy));
            }
            "--yes with a saved plan".to_owned()
        }
        Consent::Bounded { max_destroy } => {
            if plan.destroys() > max_destroy {
                return Err(too_much(Some(max_destroy)));
            }
            format!("--yes --max-destroy {max_destroy}")
        }
        Consent::Rule(rule) => {
            if !rule.covers(plan, now) {
                return Err(ApprovalError::OtherPlan);
            }
            format!("the operator's rule for {}, until {}", rule.deployments.join(" "), rule.until)
        }
        Consent::Resumed { run, how, approved } => {
            let extra: Vec<String> = plan
                .steps
                .iter()
                .filter(|s| !approved.steps.iter().any(|a| covers(a, s)))
                .map(|s| format!("{} {}", s.action, s.address))
                .collect();
            if !extra.is_empty() {
                return Err(ApprovalError::NotResumable { steps: extra });
            }
            format!("the rest of run {run}, approved by {how}")
        }
    };
    let expires = now.checked_add(jiff::SignedDuration::from_mins(i64::try_from(VALID_MINUTES).unwrap_or(30))).unwrap_or(now);
    Ok(ApprovedPlan { plan: plan.clone(), digest, how, resumes, expires })
}

/// Whether a step of the rest is (a part of) one that was approved: the same resource towards the same wanted properties.
fn covers(approved: &crate::plan::Step, rest: &crate::plan::Step) -> bool {
    let same_end = |a: &crate::plan::Step| a.intended.as_ref().map(|r| &r.desired) == rest.intended.as_ref().map(|r| &r.desired);
    approved.address == rest.address
        && match rest.action {
            Action::Delete => approved.action == Action::Delete,
            Action::Forget => true,
            // A create that got half way can end as an update of what it left behind.
            Action::Create | Action::Update | Action::Adopt => approved.action != Action::Delete && same_end(approved),
            Action::Replace | Action::Read | Action::Keep => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        assert!(glob("dev-*", "dev-lena"));
        assert!(glob("*", "x"));
        assert!(glob("a*b*c", "a--b--c"));
        assert!(!glob("dev-*", "prod"));
        assert!(!glob("dev", "dev-x"));
    }
}
