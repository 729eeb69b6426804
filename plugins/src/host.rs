//! Where the host's own files are, also from inside a container: `HOST_PROC`, `HOST_SYS`, `HOST_ETC`, `HOST_VAR`, `HOST_RUN`, `HOST_DEV`,
//! `HOST_ROOT` and `HOST_MOUNT_PREFIX`, as Telegraf takes them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use weir_pipeline::GatherError;

/// Folders of the host.
#[derive(Clone, Debug)]
pub struct HostPaths {
    /// `/proc`.
    pub proc: PathBuf,
    /// Whether `HOST_PROC` was set.
    pub proc_is_set: bool,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/run`.
    pub run: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
    /// What to take off the front of mount points, and to put in front of them for reading.
    pub mount_prefix: PathBuf,
}

impl HostPaths {
    /// As the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// As `lookup` says; an empty value counts as unset.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let get = |name: &str| lookup(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let root = get("HOST_ROOT");
        let under_root = |name: &str, default: &str| {
            get(name).unwrap_or_else(|| match &root {
                Some(root) => root.join(default.trim_start_matches('/')),
                None => PathBuf::from(default),
            })
        };
        Self {
            proc: under_root("HOST_PROC", "/proc"),
            proc_is_set: get("HOST_PROC").is_some(),
            sys: under_root("HOST_SYS", "/sys"),
            run: under_root("HOST_RUN", "/run"),
            dev: under_root("HOST_DEV", "/dev"),
            mount_prefix: get("HOST_MOUNT_PREFIX").unwrap_or_default(),
        }
    }

    /// Everything at `folder`, for tests.
    #[cfg(test)]
    pub(crate) fn at(folder: &Path) -> Self {
        Self {
            proc: folder.join("proc"),
            proc_is_set: true,
            sys: folder.join("sys"),
            run: folder.join("run"),
            dev: folder.join("dev"),
            mount_prefix: PathBuf::new(),
        }
    }
}

/// Reads a small text file. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// [`GatherError`] naming the file.
pub fn read_text(path: &Path) -> Result<String, GatherError> {
    let bytes = fs::read(path).map_err(|e| GatherError::io(path, &e))?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

/// Reads a file that holds one number.
#[must_use]
pub fn read_number(path: &Path) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
