//! Waiting without a runtime: a one-shot answer and a list of tasks that wait for room.
//!
//! The store's threads complete and wake; whoever submits awaits in whatever runtime it has. There is no timer here: futures
//! that give up after a while look at the clock when polled, and the background thread wakes all of them now and then.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

enum State<T> {
    Pending(Option<Waker>),
    Done(T),
    Taken,
}

/// The giving end of a one-shot. Dropping it unused leaves `fallback` as the answer.
pub(crate) struct Completer<T: Clone> {
    state: Arc<Mutex<State<T>>>,
    fallback: Option<T>,
}

/// The waiting end of a one-shot.
pub(crate) struct Completion<T> {
    state: Arc<Mutex<State<T>>>,
}

/// A one-shot. `fallback` answers if the other end vanishes.
pub(crate) fn completion<T: Clone>(fallback: T) -> (Completer<T>, Completion<T>) {
    let state = Arc::new(Mutex::new(State::Pending(None)));
    (Completer { state: Arc::clone(&state), fallback: Some(fallback) }, Completion { state })
}

impl<T: Clone> Completer<T> {
    /// Gives the answer.
    pub(crate) fn complete(mut self, answer: T) {
        self.fallback = None;
        self.set(answer);
    }

    fn set(&self, answer: T) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *state, State::Done(answer));
        drop(state);
        if let State::Pending(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T: Clone> Drop for Completer<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.fallback.take() {
            self.set(answer);
        }
    }
}

impl<T> Future for Completion<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(answer) => Poll::Ready(answer),
            // Polled again after the answer was taken: stays pending, as a finished future may.
            State::Taken => Poll::Pending,
            State::Pending(_) => {
                *state = State::Pending(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

/// Tasks that wait until something may have changed.
#[derive(Debug, Default)]
pub(crate) struct WaitList {
    wakers: Mutex<Vec<Waker>>,
}

impl WaitList {
    /// Remembers the task. Look at the condition again *after* this, otherwise a wake-up can be missed.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|w| w.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
    }

    /// Wakes all.
    pub(crate) fn wake_all(&self) {
        let wakers = {
            let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            if wakers.is_empty() {
                return;
            }
            std::mem::take(&mut *wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Runs a future on this thread until it is ready.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(out) => return out,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_another_thread_arrives() {
        let (giver, waiter) = completion(0);
        let thread = thread::spawn(move || giver.complete(7));
        assert_eq!(block_on(waiter), 7);
        thread.join().unwrap();
    }

    #[test]
    fn a_vanished_giver_answers_with_the_fallback() {
        let (giver, waiter) = completion("lost");
        drop(giver);
        assert_eq!(block_on(waiter), "lost");
    }
}
