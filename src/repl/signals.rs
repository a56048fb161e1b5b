//! Signals of this process. They are listened to from the start, so that Ctrl-C never ends the process in the middle of a call: between
//! two prompts the terminal sends a real signal, not a key.

/// What was asked of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The system, or a terminal that went away, wants an end.
    Terminate,
}

/// Listens.
#[cfg(unix)]
#[derive(Debug)]
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Begins to listen. Must be called within a tokio runtime.
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            Some(()) = self.terminate.recv() => Signal::Terminate,
            Some(()) = self.hangup.recv() => Signal::Terminate,
            else => std::future::pending().await,
        }
    }
}

/// Listens.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Begins to listen.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// The next one.
    pub async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }
}

/// How far the signals went during some work.
#[derive(Debug, PartialEq, Eq)]
pub enum Attended<T> {
    /// It ended by itself, or after it was asked to stop.
    Done(T),
    /// It was dropped: it changed nothing, so nothing is lost.
    Cancelled,
    /// It was left in the middle; the journal has what was sent.
    Left,
}

/// What listens, and what tells a run to stop.
#[derive(Debug)]
pub struct Attention {
    /// Listens.
    pub signals: Signals,
    /// How far a run shall stop: 0, 1 or 2.
    pub stop: tokio::sync::watch::Sender<u8>,
}

/// Does some work and minds the signals. While a run goes on the first one stops it, the second cancels its calls and the third leaves;
/// other work is dropped at once. `terminated` is set when the process shall end afterwards.
pub async fn attend<T>(
    attention: &mut Attention,
    is_running: impl Fn() -> bool,
    is_asking: impl Fn() -> bool,
    terminated: &mut bool,
    work: impl Future<Output = T>,
) -> Attended<T> {
    let Attention { signals, stop } = attention;
    tokio::pin!(work);
    loop {
        let signal = tokio::select! {
            done = &mut work => return Attended::Done(done),
            signal = signals.next() => signal,
        };
        match signal {
            Signal::Terminate => {
                *terminated = true;
                if !is_running() {
                    return Attended::Cancelled;
                }
                stop.send_modify(|stage| *stage = (*stage).max(1));
            }
            Signal::Interrupt if is_running() => {
                if *stop.borrow() >= 2 {
                    return Attended::Left;
                }
                stop.send_modify(|stage| *stage += 1);
            }
            // At a prompt Ctrl-C is a key, and the prompt answers it.
            Signal::Interrupt if is_asking() => {}
            Signal::Interrupt => return Attended::Cancelled,
        }
    }
}
