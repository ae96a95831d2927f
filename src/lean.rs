//! Names that the linker would satisfy with much code that never runs, satisfied here with little: 22 KB of a 32-bit
//! program, 10 KB of a 64-bit one. In programs for cards only (musl). Nothing here is called by our own code.

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
