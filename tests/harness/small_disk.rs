//! A disk that can be filled: a tmpfs of its own, for which a test needs root.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// With options of mount: `size=48m`.
    #[track_caller]
    pub fn mount(options: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("vestibule-disk-").tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder.path()).status();
        assert!(mount.unwrap().success());
        Self(folder)
    }

    /// Its root.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file until the disk is full.
    pub fn fill(&self, file: &str) {
        let mut file = File::create(self.path().join(file)).unwrap();
        for size in [1 << 20, 4096, 64, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Makes a file longer until so many bytes are free.
    pub fn leave(&self, bytes: u64, file: &str) {
        let file = OpenOptions::new().create(true).append(true).open(self.path().join(file)).unwrap();
        let more = self.free().saturating_sub(bytes);
        std::io::copy(&mut std::io::repeat(1).take(more), &mut BufWriter::new(file)).unwrap();
    }

    /// Makes room again.
    pub fn remove(&self, file: &str) {
        std::fs::remove_file(self.path().join(file)).unwrap();
    }

    /// Bytes that may still be written.
    fn free(&self) -> u64 {
        let output = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(self.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        numbers[0] * numbers[1]
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}
