//! `swell wait` and `swell watch`.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use super::{CHANGES, DONE, Exit, Out};
use crate::{
    app::App,
    cli::{WaitArgs, WaitFor, WatchArgs},
    diagnostic::Failure,
    domain::{Address, text::clean},
    event::Event,
    flow::{self, Until},
    store::Gone,
    ui,
    watch::{self, Limit, Options},
};

/// The shortest interval: less would be no more than noise for a server.
const SHORTEST: Duration = Duration::from_millis(100);

pub(super) fn duration(text: &str) -> Result<Duration, Failure> {
    let span: Option<Duration> = text.parse::<jiff::SignedDuration>().ok().and_then(|s| Duration::try_from(s).ok());
    span.ok_or_else(|| flow::usage(&format!("`{}` is not a duration such as `90s` or `5m`", clean(text, 40))))
}

/// `swell wait`.
pub async fn wait(app: &App, out: &Out, args: &WaitArgs) -> Exit {
    let until = match args.until {
        WaitFor::Ready => Until::Ready,
        WaitFor::Healthy => Until::Healthy,
        WaitFor::Gone => Until::Gone,
    };
    let timeout = duration(&args.timeout)?;
    if args.subject.contains(':') {
        let address: Address = args.subject.parse().map_err(|e: crate::domain::NameError| flow::usage(&e.to_string()))?;
        let live = flow::wait(app, &address, until, timeout).await?;
        out.data(&live, || format!("{address} is {}\n", until.word()));
    } else {
        let name = flow::which(app, Some(&args.subject)).await?;
        let all: BTreeMap<String, _> =
            flow::wait_for(app, &name, until, timeout).await?.into_iter().map(|(a, live)| (a.to_string(), live)).collect();
        let count = ui::lines::count(all.len(), "resource is", "resources are");
        out.data(&all, || format!("{name}: {count} {}\n", until.word()));
    }
    Ok(DONE)
}

/// `swell watch`.
pub async fn watch(app: &App, out: &Out, args: &WatchArgs) -> Exit {
    let names = match &args.deployment {
        Some(name) => vec![flow::which(app, Some(name)).await?],
        None => app.store().deployments(Gone::Hidden).await?.into_iter().map(|d| d.name).collect(),
    };
    if names.is_empty() {
        out.data(&crate::answer::watch::Watched::default(), || "Nothing is deployed, so there is nothing to watch.\n".to_owned());
        return Ok(DONE);
    }
    let interval = duration(&args.interval)?;
    if interval < SHORTEST {
        return Err(flow::usage("an interval is at least 100ms"));
    }
    let limit = match &args.period {
        Some(time) => Limit::After(duration(time)?),
        None if args.once => Limit::Once,
        None => Limit::None,
    };
    let last_beat = Mutex::new(None);
    let tell = |event: Event| match &event {
        // On a terminal it is drawn anew in its place; for a script it is news only when it says something else.
        Event::Watching { .. } if out.json => {
            let mut last = last_beat.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if last.as_ref() != Some(&event) {
                *last = Some(event.clone());
                app.sink().emit(event);
            }
        }
        Event::Watched { at, sight } if !out.json => {
            let mut page = ui::lines::Page::default();
            page.flow(ui::watch::sight(at, sight), &out.screen.style(), 10);
            out.screen.print(&page.render(&out.screen.style()));
        }
        _ => app.sink().emit(event),
    };
    let watched = watch::watch(app, &names, &Options { interval, limit }, &tell).await;
    app.sink().emit(Event::WatchEnded);
    let watched = watched?;
    if out.json {
        out.screen.print(&ui::json::line(&ui::json::result("watched", &watched)));
    } else {
        out.screen.print(&ui::watch::summary(&watched, &out.screen.style()));
    }
    let found = watched.changes > 0 || !watched.not_as_recorded.is_empty();
    Ok(if args.exit_code && found { CHANGES } else { DONE })
}
