//! Who is logged in, from `utmp`.

use crate::host::HostPaths;

/// Bytes of a record of glibc's `struct utmp` on 64-bit Linux.
const RECORD_BYTES: usize = 384;
/// `ut_type` of a logged-in user.
const USER_PROCESS: i16 = 7;
/// `ut_user`: 32 bytes at offset 44, padded with zeros.
const USER: std::ops::Range<usize> = 44..76;

/// User names, one per login; `None` if there is no readable `utmp`.
pub(super) fn logged_in(paths: &HostPaths) -> Option<Vec<String>> {
    let bytes = std::fs::read(paths.run.join("utmp")).ok()?;
    Some(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Vec<String> {
    bytes
        .chunks_exact(RECORD_BYTES)
        .filter(|r| matches!(r, [a, b, ..] if i16::from_le_bytes([*a, *b]) == USER_PROCESS))
        .filter_map(|r| r.get(USER))
        .map(|name| {
            let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
            String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_user_processes_count() {
        let mut bytes = vec![0; 2 * RECORD_BYTES + 5];
        bytes[RECORD_BYTES] = 7;
        bytes[RECORD_BYTES + 44..RECORD_BYTES + 48].copy_from_slice(b"anna");
        assert_eq!(parse(&bytes), ["anna"]);
    }
}
