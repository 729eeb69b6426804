//! One line of `mountinfo`, and what `/sys` and udev know of the device.

use std::path::Path;

use crate::host::HostPaths;

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// `major:minor`.
    pub(super) device_number: String,
    /// Where it is mounted.
    pub(super) path: String,
    /// Options of the mount, and `bind` if only a part of the file system is mounted here.
    pub(super) options: Vec<String>,
    /// Type.
    pub(super) fs_type: String,
    /// Source, mostly a path under `/dev`.
    pub(super) device: String,
}

impl Mount {
    pub(super) fn mode(&self) -> &'static str {
        let has = |o: &str| self.options.iter().any(|x| x == o);
        if has("rw") {
            "rw"
        } else if has("ro") {
            "ro"
        } else {
            "unknown"
        }
    }

    /// Whether asking it cannot wait for another machine or program.
    pub(super) fn is_local(&self) -> bool {
        let remote = [
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "smbfs",
            "ceph",
            "9p",
            "afs",
            "glusterfs",
            "lustre",
            "ncpfs",
            "virtiofs",
        ];
        !(remote.contains(&self.fs_type.as_str()) || self.fs_type.starts_with("fuse"))
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
pub(super) fn parse(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (device_number, root, path, options) = (left.next()?, left.next()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (fs_type, device) = (right.next()?, right.next()?);
    let mut options: Vec<String> = options.split(',').map(str::to_owned).collect();
    if root != "/" {
        options.push("bind".to_owned());
    }
    Some(Mount {
        device_number: device_number.to_owned(),
        path: unescape(path),
        options,
        fs_type: fs_type.to_owned(),
        device: unescape(device),
    })
}

/// The kernel writes blank, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        let octal = (b == b'\\')
            .then(|| bytes.get(i + 1..i + 4))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                i += 4;
            }
            None => {
                out.push(b);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `/dev/root` is no device; the link of its number says which it is.
pub(super) fn resolve_root(paths: &HostPaths, mount: &mut Mount) {
    if mount.device == "/dev/root"
        && let Ok(link) = std::fs::read_link(paths.dev.join("block").join(&mount.device_number))
        && let Some(name) = link.file_name()
    {
        mount.device = Path::new("/dev").join(name).to_string_lossy().into_owned();
    }
}

/// Name of a device-mapper device, else the label of the file system as udev noted it.
pub(super) fn label(paths: &HostPaths, device: &str, device_number: &str) -> Option<String> {
    if device.is_empty() || device.contains('/') && !device.starts_with("mapper/") {
        return None;
    }
    let name = std::fs::read_to_string(paths.sys.join("block").join(device).join("dm/name")).ok();
    if let Some(name) = name.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()) {
        return Some(name);
    }
    let udev = std::fs::read_to_string(paths.run.join(format!("udev/data/b{device_number}"))).ok()?;
    let label = udev.lines().find_map(|l| l.strip_prefix("E:ID_FS_LABEL="))?;
    (!label.is_empty()).then(|| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_lines_are_taken_apart() {
        let mount =
            parse(r"36 35 98:0 /sub /my\040disk rw,noatime master:1 - ext3 /dev/sda1 rw,errors=continue")
                .unwrap();
        assert_eq!(mount.path, "/my disk");
        assert_eq!(mount.options, ["rw", "noatime", "bind"]);
        assert_eq!(
            (mount.fs_type.as_str(), mount.device.as_str(), mount.mode()),
            ("ext3", "/dev/sda1", "rw")
        );
        assert!(mount.is_local());
        assert!(!parse("1 1 0:5 / /n ro - fuse.sshfs a:/b rw").unwrap().is_local());
        assert_eq!(parse("36 35 98:0 / /x rw"), None);
    }
}
