//! Folders of a backup and files in them, which nobody else may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use crate::digest::hex;

/// Read at a time.
const PART: usize = 1 << 20;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) bytes: u64,
    /// In hexadecimal.
    pub(crate) sha256: String,
}

/// Makes a folder that is not there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// The files below a folder, from it on, in the order of their names.
pub(crate) fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inside))? {
            let entry = entry?;
            let (kind, path) = (entry.file_type()?, inside.join(entry.file_name()));
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Copies a file to a place where there is none, onto the disk; `copied` is told of bytes.
pub(crate) fn copy(from: &Path, to: &Path, copied: &mut dyn FnMut(u64)) -> io::Result<Content> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let content = each_part(from, |part| {
        copied(part.len() as u64);
        file.write_all(part)
    })?;
    file.sync_all()?;
    Ok(content)
}

/// Copies a file from below one folder to below another one; folders between are made.
pub(crate) fn copy_below(from: &Path, to: &Path, file: &Path, copied: &mut dyn FnMut(u64)) -> io::Result<Content> {
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(to.join(folder))?;
    }
    copy(&from.join(file), &to.join(file), copied)
}

/// What a file holds.
pub(crate) fn read(path: &Path, read: &mut dyn FnMut(u64)) -> io::Result<Content> {
    each_part(path, |part| {
        read(part.len() as u64);
        Ok(())
    })
}

/// The names in a folder and in those below it are on disk when this returns.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

fn each_part(path: &Path, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Content> {
    let (mut file, mut hash, mut bytes) = (File::open(path)?, Context::new(&SHA256), 0);
    let mut part = vec![0; PART];
    loop {
        let length = file.read(&mut part)?;
        let read = part.get(..length).unwrap_or_default();
        if read.is_empty() {
            return Ok(Content { bytes, sha256: hex(hash.finish().as_ref()) });
        }
        hash.update(read);
        bytes += length as u64;
        take(read)?;
    }
}
