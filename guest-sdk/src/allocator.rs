//! The allocator of a guest: the blocks freed last, and behind them the one of
//! the C library.
//!
//! A call frees what it allocated, in sizes that the next call asks for again.
//! So a few freed blocks of every small size are kept at hand; all else, and
//! what is more than a few, goes to `malloc` and `free`, which merge it. Every
//! block comes from `malloc`, so the C library may free or grow what was
//! allocated here. The reverse does not hold, since a block is taken to be as
//! large as its size class: what the host puts into the guest's memory comes
//! from the `cabi_realloc` below and not from the C library's.

#![allow(unsafe_code, reason = "an allocator is made of it")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr,
};

#[cfg_attr(target_family = "wasm", global_allocator)]
#[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "the tests make their own"))]
static ALLOCATOR: Allocator = Allocator::new();

/// Sizes of a class lie this far apart; `malloc` rounds to the same sizes.
const STEP_BYTES: usize = 4 * HEADER_BYTES;
/// What `malloc` keeps of a step for itself.
const HEADER_BYTES: usize = size_of::<usize>();
const CLASS_COUNT: usize = 64;
/// What every block from `malloc` is good for.
const ALIGN_MAX: usize = 8;
/// How many blocks of a class are kept, at most 132 kB in all.
const KEPT_MAX: u32 = 4;

struct Allocator {
    kept: [Kept; CLASS_COUNT],
}

// SAFETY: a guest has one thread.
unsafe impl Sync for Allocator {}

/// The kept blocks of a class.
struct Kept(Cell<*mut Block>);

/// What a kept block begins with; the smallest class has room for it.
struct Block {
    next: *mut Block,
    /// How many come after this one.
    behind: u32,
}

impl Kept {
    const fn new() -> Self {
        Self(Cell::new(ptr::null_mut()))
    }
}

impl Allocator {
    const fn new() -> Self {
        Self { kept: [const { Kept::new() }; CLASS_COUNT] }
    }

    fn kept(&self, layout: Layout) -> Option<&Kept> {
        if layout.align() > ALIGN_MAX {
            return None;
        }
        self.kept.get(class(layout.size()))
    }
}

/// In a guest class 0 holds up to 12 bytes, class 1 up to 28, and so on. No
/// size of a layout is near the end of `usize`.
const fn class(size: usize) -> usize {
    size.wrapping_add(HEADER_BYTES - 1) / STEP_BYTES
}

/// The layout of the largest block of the same class.
const fn whole(layout: Layout) -> Layout {
    let size = class(layout.size()) * STEP_BYTES + STEP_BYTES - HEADER_BYTES;
    // SAFETY: the sizes of classes are small, the alignment comes from a layout.
    unsafe { Layout::from_size_align_unchecked(size, layout.align()) }
}

#[cold]
#[inline(never)]
unsafe fn system_alloc(layout: Layout) -> *mut u8 {
    // SAFETY: as for this function.
    unsafe { System.alloc(layout) }
}

#[cold]
#[inline(never)]
unsafe fn system_dealloc(block: *mut u8, layout: Layout) {
    // SAFETY: as for this function.
    unsafe { System.dealloc(block, layout) }
}

// SAFETY: blocks come from `System`, as large as their class or larger, and a
// kept one is given out once.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(kept) = self.kept(layout) else {
            // SAFETY: as for this function.
            return unsafe { system_alloc(layout) };
        };
        let first = kept.0.get();
        if first.is_null() {
            // SAFETY: no class has the size 0.
            return unsafe { system_alloc(whole(layout)) };
        }
        // SAFETY: a kept block begins with this and is nobody else's.
        kept.0.set(unsafe { (*first).next });
        first.cast()
    }

    #[inline(never)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(kept) = self.kept(layout) {
            let next = kept.0.get();
            // SAFETY: a kept block begins with this.
            let behind = if next.is_null() { 0 } else { unsafe { (*next).behind + 1 } };
            if behind < KEPT_MAX {
                let block = block.cast::<Block>();
                // SAFETY: the block is free, aligned and large enough.
                unsafe { block.write(Block { next, behind }) };
                kept.0.set(block);
                return;
            }
        }
        // SAFETY: every block is one of the system's.
        unsafe { system_dealloc(block, layout) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as for this function.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let (old_class, new_class) = (class(layout.size()), class(size));
        match self.kept(new) {
            Some(_) if old_class == new_class => block,
            Some(kept) if !kept.0.get().is_null() && self.kept(layout).is_some() => {
                // SAFETY: the new block is another one; the shorter length is
                // inside of both.
                unsafe {
                    let grown = self.alloc(new);
                    ptr::copy_nonoverlapping(block, grown, layout.size().min(size));
                    self.dealloc(block, layout);
                    grown
                }
            }
            // SAFETY: every block is one of the system's.
            Some(_) => unsafe { System.realloc(block, layout, whole(new).size()) },
            // SAFETY: as above.
            None => unsafe { System.realloc(block, layout, size) },
        }
    }
}

/// Gives the host memory for what it passes to the guest.
///
/// # Safety
///
/// An old block comes from here or from Rust's allocator, with its length.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_bytes: usize,
    align: usize,
    new_bytes: usize,
) -> *mut u8 {
    // SAFETY: alignments of the canonical ABI are powers of two, and no size
    // comes near the end of memory.
    let block = unsafe {
        let layout = |bytes| Layout::from_size_align_unchecked(bytes, align);
        match (old_bytes, new_bytes) {
            (0, 0) => return ptr::without_provenance_mut(align),
            (0, _) => std::alloc::alloc(layout(new_bytes)),
            _ => std::alloc::realloc(old, layout(old_bytes), new_bytes),
        }
    };
    if block.is_null() {
        core::arch::wasm32::unreachable();
    }
    block
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A block full of one byte.
    struct Filled {
        block: *mut u8,
        layout: Layout,
        with: u8,
    }

    impl Filled {
        fn new(allocator: &Allocator, size: usize, with: u8) -> Self {
            let layout = Layout::from_size_align(size, 8).unwrap();
            // SAFETY: the size is not 0.
            let block = unsafe { allocator.alloc(layout) };
            Self { block, layout, with }.fill()
        }

        fn fill(self) -> Self {
            // SAFETY: the block is as long as its layout says.
            unsafe { self.block.write_bytes(self.with, self.layout.size()) };
            self
        }

        #[track_caller]
        fn check(&self, length: usize) {
            // SAFETY: as above.
            let bytes = unsafe { std::slice::from_raw_parts(self.block, length) };
            assert!(bytes.iter().all(|byte| *byte == self.with), "another block wrote into it");
        }

        fn resize(self, allocator: &Allocator, size: usize) -> Self {
            // SAFETY: the block comes from this allocator with this layout.
            let block = unsafe { allocator.realloc(self.block, self.layout, size) };
            let layout = Layout::from_size_align(size, 8).unwrap();
            let resized = Self { block, layout, with: self.with };
            resized.check(self.layout.size().min(size));
            resized.fill()
        }

        fn free(self, allocator: &Allocator) {
            self.check(self.layout.size());
            // SAFETY: as above, and it is not used again.
            unsafe { allocator.dealloc(self.block, self.layout) }
        }
    }

    fn kept_count(allocator: &Allocator, size: usize) -> u32 {
        let first = allocator.kept[class(size)].0.get();
        // SAFETY: what is kept begins so.
        if first.is_null() { 0 } else { unsafe { (*first).behind + 1 } }
    }

    #[test]
    fn a_freed_block_is_given_out_again_and_few_are_kept() {
        let allocator = Allocator::new();
        let blocks: Vec<_> = (0..100).map(|with| Filled::new(&allocator, 100, with)).collect();
        let last = blocks[3].block;
        blocks.into_iter().for_each(|block| block.free(&allocator));
        assert_eq!(kept_count(&allocator, 100), KEPT_MAX);
        let again = Filled::new(&allocator, 99, 1);
        assert_eq!((again.block, kept_count(&allocator, 100)), (last, KEPT_MAX - 1));
        again.free(&allocator);
    }

    #[test]
    fn what_is_large_or_aligned_is_not_kept() {
        let allocator = Allocator::new();
        Filled::new(&allocator, 1 << 20, 1).free(&allocator);
        let aligned = Layout::from_size_align(64, 64).unwrap();
        // SAFETY: as a caller of an allocator has to.
        unsafe { allocator.dealloc(allocator.alloc(aligned), aligned) };
        assert!(allocator.kept.iter().all(|kept| kept.0.get().is_null()));
    }

    proptest! {
        #[test]
        fn no_block_is_written_by_another(
            steps in prop::collection::vec((0..3u8, 0..8usize, 1..3000usize), 1..200),
        ) {
            let allocator = Allocator::new();
            let mut slots: [Option<Filled>; 8] = Default::default();
            for (with, (step, slot, size)) in (0..=u8::MAX).cycle().zip(steps) {
                // Mostly small ones.
                let size = if size < 2800 { size / 40 + 1 } else { size };
                slots[slot] = match (step, slots[slot].take()) {
                    (0 | 1, Some(block)) => Some(block.resize(&allocator, size)),
                    (_, Some(block)) => {
                        block.free(&allocator);
                        None
                    }
                    (_, None) => Some(Filled::new(&allocator, size, with)),
                };
            }
            slots.into_iter().flatten().for_each(|block| block.free(&allocator));
        }
    }
}
