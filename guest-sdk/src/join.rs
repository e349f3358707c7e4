//! Several futures awaited at once, above all calls.
//!
//! They are polled side by side in the task of the call, so there is nothing
//! to spawn; combinators of other crates work as well.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

/// Awaits a tuple of futures at once: up to eight, of any types.
///
/// ```
/// use picolet_sdk::{prelude::*, testing};
///
/// # testing::answer("calc", "a", |_| "1");
/// # testing::answer("calc", "b", |_| "2");
/// # testing::block_on(async {
/// let (a, b) = (client("calc").method("a").text(), client("calc").method("b").text()).join().await;
/// # assert_eq!((a.unwrap().as_str(), b.unwrap().as_str()), ("1", "2"));
/// # });
/// ```
pub trait Join {
    /// What they give, in the same order.
    type Output;

    /// Awaits all of them.
    fn join(self) -> impl Future<Output = Self::Output>;
}

/// Awaits a tuple of futures at once until one fails: up to eight, of any types
/// and one error. The first error ends the wait; what has not ended is dropped,
/// which cancels calls.
///
/// ```
/// use picolet_sdk::{prelude::*, testing};
///
/// # testing::answer("calc", "a", |_| "1");
/// # testing::block_on(async {
/// let both = (client("calc").method("a").text(), client("nobody").method("b").text());
/// let fault = both.try_join().await.unwrap_err();
/// assert_eq!(fault.name(), "no-host");
/// # });
/// ```
pub trait TryJoin {
    /// What they give, in the same order.
    type Output;
    /// What one of them may fail with.
    type Error;

    /// Awaits all of them, or the first that fails.
    ///
    /// # Errors
    ///
    /// The first error in time; of two at once, the one further left.
    fn try_join(self) -> impl Future<Output = Result<Self::Output, Self::Error>>;
}

/// Awaits any number of futures of one type at once; what they give is in their
/// order.
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let never: Result<_, std::convert::Infallible> =
        try_join_all(futures.into_iter().map(|future| async { Ok(future.await) })).await;
    match never {
        Ok(outputs) => outputs,
    }
}

/// Awaits any number of futures of one type at once until one fails; what has
/// not ended then is dropped, which cancels calls.
///
/// ```
/// use picolet_sdk::{prelude::*, testing};
///
/// # testing::answer("stock", "count", |call| call.params[0].len().to_string());
/// # testing::block_on(async {
/// let counts = ["nuts", "bolts"].map(|part| client("stock").method("count").param(part).text());
/// assert_eq!(try_join_all(counts).await?, ["4", "5"]);
/// # Ok::<(), Fault>(()) }).unwrap();
/// ```
///
/// # Errors
///
/// The first error in time; of two at once, the earlier in order.
pub async fn try_join_all<T, E, F>(futures: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut slots: Vec<_> = futures.into_iter().map(|f| Slot::Waits(Box::pin(f))).collect();
    poll_fn(|context| {
        let mut waits = false;
        for slot in &mut slots {
            waits |= slot.advance(context)?;
        }
        if waits { Poll::Pending } else { Poll::Ready(Ok(())) }
    })
    .await?;
    Ok(slots.into_iter().filter_map(Slot::into_output).collect())
}

enum Slot<F, T> {
    Waits(Pin<Box<F>>),
    Done(T),
}

impl<T, E, F: Future<Output = Result<T, E>>> Slot<F, T> {
    /// Whether it still waits.
    fn advance(&mut self, context: &mut Context<'_>) -> Result<bool, E> {
        if let Self::Waits(future) = self {
            match future.as_mut().poll(context) {
                Poll::Ready(output) => *self = Self::Done(output?),
                Poll::Pending => return Ok(true),
            }
        }
        Ok(false)
    }

    fn into_output(self) -> Option<T> {
        match self {
            Self::Done(output) => Some(output),
            Self::Waits(_) => None,
        }
    }
}

macro_rules! tuples {
    ($(($($future:ident $output:ident),*);)*) => {$(
        impl<$($future: Future),*> Join for ($($future,)*) {
            type Output = ($($future::Output,)*);

            #[allow(non_snake_case, reason = "one name for a type and its future")]
            async fn join(self) -> Self::Output {
                let ($($future,)*) = self;
                $(let mut $future = pin!($future);)*
                let ($(mut $output,)*) = ($(None::<$future::Output>,)*);
                poll_fn(|context| {
                    $(if $output.is_none()
                        && let Poll::Ready(output) = $future.as_mut().poll(context)
                    {
                        $output = Some(output);
                    })*
                    match ($($output.take(),)*) {
                        ($(Some($output),)*) => Poll::Ready(($($output,)*)),
                        waits => {
                            ($($output,)*) = waits;
                            Poll::Pending
                        }
                    }
                })
                .await
            }
        }

        impl<Error, $($output,)* $($future: Future<Output = Result<$output, Error>>),*> TryJoin
            for ($($future,)*)
        {
            type Output = ($($output,)*);
            type Error = Error;

            #[allow(non_snake_case, reason = "one name for a type and its future")]
            async fn try_join(self) -> Result<Self::Output, Error> {
                let ($($future,)*) = self;
                $(let mut $future = pin!($future);)*
                let ($(mut $output,)*) = ($(None::<$output>,)*);
                poll_fn(|context| {
                    $(if $output.is_none()
                        && let Poll::Ready(output) = $future.as_mut().poll(context)
                    {
                        match output {
                            Ok(output) => $output = Some(output),
                            Err(error) => return Poll::Ready(Err(error)),
                        }
                    })*
                    match ($($output.take(),)*) {
                        ($(Some($output),)*) => Poll::Ready(Ok(($($output,)*))),
                        waits => {
                            ($($output,)*) = waits;
                            Poll::Pending
                        }
                    }
                })
                .await
            }
        }
    )*};
}

tuples! {
    (A OA, B OB);
    (A OA, B OB, C OC);
    (A OA, B OB, C OC, D OD);
    (A OA, B OB, C OC, D OD, E OE);
    (A OA, B OB, C OC, D OD, E OE, F OF);
    (A OA, B OB, C OC, D OD, E OE, F OF, G OG);
    (A OA, B OB, C OC, D OD, E OE, F OF, G OG, H OH);
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;
    use crate::{
        Fault, client,
        testing::{answer, block_on},
    };

    /// Ends after so many polls, and says when it is dropped.
    struct Turns(u8, Rc<Cell<u8>>);

    impl Future for Turns {
        type Output = Result<u8, Fault>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            context.waker().wake_by_ref();
            let turns = self.0;
            self.0 = turns.saturating_sub(1);
            if turns == 0 { Poll::Ready(Ok(7)) } else { Poll::Pending }
        }
    }

    impl Drop for Turns {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
        }
    }

    async fn fails() -> Result<u8, Fault> {
        Err(Fault::conflict("taken"))
    }

    #[test]
    fn all_are_polled_until_each_has_ended() {
        let dropped = Rc::default();
        let turns = |count| Turns(count, Rc::clone(&dropped));
        let joined = block_on((turns(3), async { "a" }, turns(1)).join());
        assert_eq!(joined, (Ok(7), "a", Ok(7)));
        assert_eq!(block_on((turns(1), turns(2)).try_join()), Ok((7, 7)));
        assert_eq!(block_on(join_all([turns(2), turns(0)])), [Ok(7), Ok(7)]);
        assert_eq!(block_on(try_join_all([turns(0), turns(2)])), Ok(vec![7, 7]));
        assert_eq!(block_on(join_all(Vec::<Turns>::new())), []);
    }

    #[test]
    fn the_first_error_drops_the_others() {
        let dropped = Rc::new(Cell::new(0));
        let turns = || Turns(200, Rc::clone(&dropped));
        let fault = block_on((turns(), fails()).try_join()).unwrap_err();
        assert_eq!((fault.name(), dropped.get()), ("conflict", 1));
        let boxed: [Pin<Box<dyn Future<Output = _>>>; 2] = [Box::pin(turns()), Box::pin(fails())];
        let fault = block_on(try_join_all(boxed)).unwrap_err();
        assert_eq!((fault.name(), dropped.get()), ("conflict", 2));
    }

    /// Whoever brings their own combinators may.
    #[test]
    fn calls_are_plain_futures() {
        answer("joined", "a", |call| call.params.join(""));
        let call = |text: &str| client("joined").method("a").param(text).text();
        let both = block_on(async { futures::join!(call("1"), call("2")) });
        assert_eq!(both, (Ok("1".into()), Ok("2".into())));
        let all = block_on(futures::future::try_join_all(["x", "y"].map(call)));
        assert_eq!(all, Ok(vec!["x".to_owned(), "y".into()]));
    }
}
