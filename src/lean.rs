//! Names that the linker would satisfy with much code that never runs, satisfied here with little: 27 KB of a 32-bit
//! program, 14 KB of a 64-bit one. In programs for cards only (musl). Nothing here is called by our own code.

/// Names the calling thread, for people who look at a process list. The C library's own brings `printf` for threads other
/// than the caller, which Rust's library never names.
#[unsafe(no_mangle)]
extern "C" fn pthread_setname_np(_: libc::pthread_t, name: *const libc::c_char) -> libc::c_int {
    // SAFETY: the caller passes a text with its end, as the C library's function of this name asks.
    match unsafe { libc::prctl(libc::PR_SET_NAME, name) } {
        0 => 0,
        _ => libc::ERANGE,
    }
}

/// Sorts a host's addresses, at most 48 of them: nothing else asks the C library to sort, whose own is 5 KB. Stable.
///
/// # Safety
/// As the C library's: `base` is `count` things of `size_bytes` each, and `compare` takes two of them.
#[unsafe(no_mangle)]
unsafe extern "C" fn qsort(
    base: *mut u8,
    count: usize,
    size_bytes: usize,
    compare: extern "C" fn(*const u8, *const u8) -> libc::c_int,
) {
    for end in 1..count {
        for at in (1..=end).rev() {
            // SAFETY: both are among the `count` things, and beside each other.
            let (left, right) = unsafe { (base.add((at - 1) * size_bytes), base.add(at * size_bytes)) };
            if compare(left, right) <= 0 {
                break;
            }
            // SAFETY: they do not overlap.
            unsafe { std::ptr::swap_nonoverlapping(left, right, size_bytes) };
        }
    }
}

// ARM's names for the unwinding of the stack: C libraries and Rust's own mention them, and nothing calls them where a
// panic ends the program at once. Weak, so that they give way where the linker brings an unwinder all the same.
// Source: Exception Handling ABI for the Arm Architecture (IHI 0038), sections 7 and 9.
#[cfg(all(target_arch = "arm", not(panic = "unwind")))]
macro_rules! never_called {
    ($($name:literal)*) => {
        core::arch::global_asm!(
            $(concat!(".weak ", $name), concat!(".type ", $name, ", %function"), concat!($name, ":"),)*
            "udf #0",
        );
    };
}

#[cfg(all(target_arch = "arm", not(panic = "unwind")))]
never_called! {
    "__aeabi_unwind_cpp_pr0"
    "__aeabi_unwind_cpp_pr1"
    "__aeabi_unwind_cpp_pr2"
    "__gnu_unwind_frame"
    "_Unwind_GetDataRelBase"
    "_Unwind_GetLanguageSpecificData"
    "_Unwind_GetRegionStart"
    "_Unwind_GetTextRelBase"
    "_Unwind_VRS_Get"
    "_Unwind_VRS_Set"
}
