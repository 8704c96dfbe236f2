//! System calls that this process is refused from now on.

/// Whoever makes this call (where that is given, with this low half of an argument) gets `answer` instead: a `SECCOMP_RET_…` of libc.
pub(crate) fn refuse(call: libc::c_long, argument: Option<(u32, u32)>, answer: u32) {
    const NUMBER_AT: u32 = 0;
    const ARGUMENTS_AT: u32 = 16;
    let load = |offset| libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: offset };
    // Goes on with what follows, or else behind the answer.
    let unless = |k, skip| libc::sock_filter { code: 0x15, jt: 0, jf: skip, k };
    let give = |k| libc::sock_filter { code: 0x06, jt: 0, jf: 0, k };
    let call = u32::try_from(call).unwrap();
    let mut filter = vec![load(NUMBER_AT)];
    match argument {
        None => filter.push(unless(call, 1)),
        Some((nth, value)) => {
            filter.extend([unless(call, 3), load(ARGUMENTS_AT + 8 * nth), unless(value, 1)]);
        }
    }
    filter.extend([give(answer), give(libc::SECCOMP_RET_ALLOW)]);
    let program = libc::sock_fprog { len: u16::try_from(filter.len()).unwrap(), filter: filter.as_mut_ptr() };
    // SAFETY: the program lives through the calls, which copy it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}
