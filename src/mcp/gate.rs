//! How many calls of tools are under way on one server at the same time. Who comes when all places are taken waits, in the order of coming.
//!
//! Some servers read a file, change it and write it back: of two calls at once one is lost, and both say that they were done.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// The gate of one connection.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    left: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The most calls at once; none if there is no limit.
    most: Option<usize>,
    now: usize,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Pass<'g>(&'g Gate);

impl Gate {
    /// A gate with so many places.
    pub(super) fn new(most: Option<usize>) -> Self {
        Self { state: Mutex::new(State { most, now: 0 }), left: Notify::new() }
    }

    /// The most calls at once; `None` if there is no limit.
    pub(super) fn most(&self) -> Option<usize> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).most
    }

    /// From now on at most so many, if that is less than before.
    pub(super) fn narrow(&self, most: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.most = Some(state.most.map_or(most, |now| now.min(most)));
    }

    /// Waits for a place.
    pub(super) async fn pass(&self) -> Pass<'_> {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // Whoever leaves from here on is heard.
            left.as_mut().enable();
            if let Some(pass) = self.enter() {
                return pass;
            }
            left.await;
        }
    }

    fn enter(&self) -> Option<Pass<'_>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.most.is_some_and(|most| state.now >= most.max(1)) {
            return None;
        }
        state.now += 1;
        Some(Pass(self))
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).now -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn no_more_than_its_places_are_taken() {
        let gate = Arc::new(Gate::new(Some(2)));
        let (first, _second) = (gate.pass().await, gate.pass().await);
        assert!(gate.enter().is_none());
        gate.narrow(1);
        gate.narrow(5);
        assert_eq!(gate.most(), Some(1));
        drop(first);
        assert!(gate.enter().is_none(), "one is still in, and one is all there may be");
    }

    #[tokio::test]
    async fn everybody_who_waits_gets_in() {
        let gate = Arc::new(Gate::new(Some(1)));
        let passing = (0..50).map(|_| {
            let gate = gate.clone();
            tokio::spawn(async move {
                let _pass = gate.pass().await;
                tokio::task::yield_now().await;
            })
        });
        let all: Vec<_> = passing.collect();
        // Some lose patience, and take no place with them.
        all.iter().step_by(7).for_each(|t| t.abort());
        for one in all {
            let ended = tokio::time::timeout(std::time::Duration::from_secs(5), one).await.unwrap();
            assert!(ended.is_ok() || ended.unwrap_err().is_cancelled());
        }
        assert!(gate.enter().is_some());
    }
}
