//! One thing that several parts of one thread hold: a `Mutex` without its price, which was a seventh of a hunt's time.
//!
//! The product's seams ask for what threads may share; a model's card, and all that is simulated around it, has one thread.
//! Whoever comes from another is turned away with a panic, and so is whoever asks for what is lent already.

use std::cell::{RefCell, RefMut};

/// See the module.
#[derive(Debug)]
pub(crate) struct Alone<T> {
    /// Which thread made it.
    thread: usize,
    thing: RefCell<T>,
}

// SAFETY: the thing is only reached through `get` and `get_free`, which hand it to the thread that made it and to no other;
// it may be dropped by any, as it is `Send`.
unsafe impl<T: Send> Sync for Alone<T> {}

impl<T> Alone<T> {
    pub(crate) fn new(thing: T) -> Alone<T> {
        Alone { thread: this_thread(), thing: RefCell::new(thing) }
    }

    /// The thing, until the answer is dropped.
    ///
    /// # Panics
    /// In another thread, and where it is lent already.
    pub(crate) fn get(&self) -> RefMut<'_, T> {
        assert!(self.thread == this_thread(), "it is another thread's");
        self.thing.borrow_mut()
    }

    /// The same where it may be lent: while a panic unwinds.
    pub(crate) fn get_free(&self) -> Option<RefMut<'_, T>> {
        assert!(self.thread == this_thread(), "it is another thread's");
        self.thing.try_borrow_mut().ok()
    }
}

impl<T: Default> Default for Alone<T> {
    fn default() -> Alone<T> {
        Alone::new(T::default())
    }
}

/// Differs between threads that live at once.
fn this_thread() -> usize {
    thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| std::ptr::from_ref(here).addr())
}
