//! One pause of a future, so that others run in between.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// Lets everything else that is ready run once.
pub async fn yield_now() {
    Yield { done: false }.await;
}

struct Yield {
    done: bool,
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.done {
            return Poll::Ready(());
        }
        self.done = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
