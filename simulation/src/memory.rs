//! Memory for a hunt: a history takes and gives back thousands of small pieces, and that was a sixth of its time.
//!
//! Each thread keeps what it was given back in lists by size, and hands it out again, the last first; nobody asks another
//! thread. Rust says at giving back how large a piece is, so nothing is kept beside it. Nothing goes back to the system before
//! the program ends: a hunt needs no more after its first histories. For the program of `scripts/simulate` only.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// Pieces of up to this size are of every multiple of `STEP_BYTES`.
const SMALL_BYTES: usize = 1_024;
const STEP_BYTES: usize = 16;
const SMALL: usize = SMALL_BYTES / STEP_BYTES + 1;
/// Longer ones are of powers of two, up to this; what is longer still comes from the system.
const MOST_BYTES: usize = 1 << 18;
const CLASSES: usize = SMALL + 8;
/// So much is taken from the system at once.
const CHUNK_BYTES: usize = 1 << 20;

/// See the module.
pub(crate) struct Memory;

struct Lists {
    /// The first free piece of each class; its first word is where the next one is.
    free: [*mut u8; CLASSES],
    /// What was taken from the system and not handed out yet.
    fresh: *mut u8,
    fresh_bytes: usize,
}

thread_local! {
    static LISTS: UnsafeCell<Lists> =
        const { UnsafeCell::new(Lists { free: [null_mut(); CLASSES], fresh: null_mut(), fresh_bytes: 0 }) };
}

/// The class of a piece, and how long pieces of it are; none: it is the system's.
fn class(layout: Layout) -> Option<(usize, usize)> {
    let size = layout.size();
    if layout.align() > STEP_BYTES || size > MOST_BYTES {
        return None;
    }
    if size <= SMALL_BYTES {
        let steps = size.div_ceil(STEP_BYTES).max(1);
        return Some((steps, steps * STEP_BYTES));
    }
    let length = size.next_power_of_two();
    Some((SMALL + (length / SMALL_BYTES).ilog2() as usize - 1, length))
}

impl Lists {
    fn take(&mut self, class: usize, length: usize) -> *mut u8 {
        let first = self.free[class];
        if first.is_null() {
            return self.take_fresh(length);
        }
        // SAFETY: a piece in a list is nobody's, at least a word long, and `give_back` wrote the next one's place into it.
        self.free[class] = unsafe { first.cast::<*mut u8>().read() };
        first
    }

    #[cold]
    fn take_fresh(&mut self, length: usize) -> *mut u8 {
        if self.fresh_bytes < length {
            let Ok(chunk) = Layout::from_size_align(CHUNK_BYTES, STEP_BYTES) else { return null_mut() };
            // SAFETY: the layout is not empty. What was left of the last chunk is never used.
            self.fresh = unsafe { System.alloc(chunk) };
            self.fresh_bytes = if self.fresh.is_null() { 0 } else { CHUNK_BYTES };
            if self.fresh.is_null() {
                return null_mut();
            }
        }
        let piece = self.fresh;
        // SAFETY: so much is left of the chunk; every length is a multiple of the step, so that each piece is aligned to it.
        self.fresh = unsafe { piece.add(length) };
        self.fresh_bytes -= length;
        piece
    }

    fn give_back(&mut self, class: usize, piece: *mut u8) {
        // SAFETY: the piece was handed out by `take`: it is a word long at least, aligned, and nobody's from now on.
        unsafe { piece.cast::<*mut u8>().write(self.free[class]) };
        self.free[class] = piece;
    }
}

// SAFETY: a piece is in one list or with its owner, never both; it is as long and as aligned as its class, which its layout tells
// again when it is given back. A list is only reached by its own thread, and no piece of code that holds it allocates.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            // SAFETY: only this thread has this list, and `take` calls nothing that comes back here.
            Some((class, length)) => LISTS.with(|lists| unsafe { (*lists.get()).take(class, length) }),
            // SAFETY: as the caller promises.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match class(layout) {
            // SAFETY: only this thread has this list; the piece was handed out for this layout.
            Some((class, _)) => LISTS.with(|lists| unsafe { (*lists.get()).give_back(class, piece) }),
            // SAFETY: as the caller promises.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that size and alignment make a layout.
        let longer = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(layout), class(longer)) {
            (Some((one, _)), Some((other, _))) if one == other => piece,
            // SAFETY: as the caller promises.
            (None, None) => unsafe { System.realloc(piece, layout, size) },
            _ => {
                // SAFETY: both pieces are as long as what is copied, and they are two.
                unsafe {
                    let other = self.alloc(longer);
                    if !other.is_null() {
                        other.copy_from_nonoverlapping(piece, layout.size().min(size));
                        self.dealloc(piece, layout);
                    }
                    other
                }
            }
        }
    }
}
