//! Ends a request from outside, whatever it waits for: its future is dropped, and with it both connections. The guard in
//! its context writes the entry.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::Notify;

tokio::task_local! {
    /// Made once somebody may want it: most requests end before that.
    static CURRENT: OnceCell<Arc<Cut>>;
}

/// One request's end, for whoever may bring it about.
#[derive(Debug, Default)]
pub(crate) struct Cut(Notify);

impl Cut {
    /// That of the request that is being served here. Outside of [`until_cut`] it is one that nobody hears; what passes
    /// such a request's body filters is stopped there.
    pub(super) fn current() -> Arc<Self> {
        CURRENT.try_with(|current| current.get_or_init(Arc::default).clone()).unwrap_or_default()
    }

    pub(super) fn ask(&self) {
        self.0.notify_one();
    }
}

/// Serves one request to its end, or until it is cut: then nothing is left of its connection.
pub(crate) async fn until_cut<T>(request: impl Future<Output = Option<T>>) -> Option<T> {
    let served = async {
        tokio::select! {
            biased;
            ended = request => ended,
            () = asked() => None,
        }
    };
    CURRENT.scope(OnceCell::new(), served).await
}

/// Until the request's cut is asked for. To be polled after the request: whoever makes the cut does so while that runs.
async fn asked() {
    let made = || CURRENT.with(|current| current.get().cloned());
    let cut = poll_fn(|_| made().map_or(Poll::Pending, Poll::Ready)).await;
    cut.0.notified().await;
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_request_ends_by_itself_or_is_cut() {
        assert_eq!(until_cut(async { Some(1) }).await, Some(1));
        let cut = async {
            Cut::current().ask();
            pending::<Option<u8>>().await
        };
        assert_eq!(until_cut(cut).await, None);
    }

    #[tokio::test]
    async fn a_request_that_goes_on_is_cut_from_another_task() {
        let cut = async {
            tokio::task::yield_now().await;
            let cut = Cut::current();
            tokio::spawn(async move { cut.ask() });
            pending::<Option<u8>>().await
        };
        assert_eq!(until_cut(cut).await, None);
    }

    #[tokio::test]
    async fn the_cut_of_one_request_is_no_other_request_s() {
        let first = until_cut(async { Some(Cut::current()) }).await.unwrap();
        first.ask();
        let next = async {
            let _own = Cut::current();
            tokio::task::yield_now().await;
            Some(2)
        };
        assert_eq!(until_cut(next).await, Some(2));
        Cut::current().ask();
    }
}
