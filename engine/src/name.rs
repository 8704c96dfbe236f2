//! The name of a session's folder and view, made from its id (SPEC.md section 3).

use tracewal_format::checksum::crc;

const NAME_MAX: usize = 200;

/// The names that a session with this id may have, in the order in which they are tried. Endless.
pub(crate) fn candidates(id: &str) -> impl Iterator<Item = String> + use<> {
    let replaced = id.replace(['/', '\\', '.', ':'], "_");
    let end = replaced.char_indices().find(|(at, c)| c.is_control() || at + c.len_utf8() > NAME_MAX);
    let (cut, needs_suffix) = match end {
        Some((at, _)) => (replaced.get(..at).unwrap_or_default().to_owned(), true),
        None => (replaced, false),
    };
    let suffixed = format!("{cut}~{:08x}", crc(id.as_bytes()));
    let plain = (!needs_suffix).then_some(cut);
    let numbered = suffixed.clone();
    plain.into_iter().chain([suffixed]).chain((2_u64..).map(move |n| format!("{numbered}~{n}")))
}

/// Whether an entry of `sessions/` is a session: others are being made, or were kept by repair.
pub(crate) fn is_session(name: &str) -> bool {
    !name.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(id: &str) -> String {
        candidates(id).next().unwrap()
    }

    #[test]
    fn odd_characters_become_underscores() {
        assert_eq!(first("a/b\\c.d:e"), "a_b_c_d_e");
        assert_eq!(first(".."), "__");
        assert_eq!(first("ü x"), "ü x");
    }

    #[test]
    fn long_and_controlled_names_are_cut_and_get_a_suffix() {
        let long = "ä".repeat(127);
        assert_eq!(first(&long), format!("{}~{:08x}", "ä".repeat(100), crc(long.as_bytes())));
        assert_eq!(first(&"x".repeat(200)), "x".repeat(200));
        assert_eq!(first("ab\ncd"), format!("ab~{:08x}", crc(b"ab\ncd")));
        assert_eq!(first("\0"), format!("~{:08x}", crc(b"\0")));
    }

    #[test]
    fn a_taken_name_gets_a_suffix_then_a_number() {
        let names: Vec<String> = candidates("a.b").take(3).collect();
        let suffix = format!("a_b~{:08x}", crc(b"a.b"));
        assert_eq!(names, ["a_b".to_owned(), suffix.clone(), format!("{suffix}~2")]);
    }
}
