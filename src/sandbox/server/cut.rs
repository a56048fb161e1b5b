//! A writer that a fault can cut: from that moment nothing leaves the server, not even what rmcp would still answer while it ends.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

/// Writes until it is cut.
pub(super) struct Cut<W> {
    inner: W,
    cut: CancellationToken,
}

impl<W> Cut<W> {
    pub(super) fn new(inner: W, cut: CancellationToken) -> Self {
        Self { inner, cut }
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Cut<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.cut.is_cancelled() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
