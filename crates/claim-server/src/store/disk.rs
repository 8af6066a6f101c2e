//! Files beside the database: their permissions, the installation key, append-only files.

pub use std::fs::File;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::vault::random;

/// An append-only file, readable only by its owner.
pub fn appended(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates the folder if it does not exist.
pub fn folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Other users of the machine can read nothing: folders 0700, files 0600, existing ones too.
pub fn keep_private(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mut folders = vec![folder.to_owned()];
        // What goes meanwhile, such as SQLite's own files, is nobody's to read.
        let close = |path: &Path| match path.metadata() {
            Ok(about) if about.permissions().mode() & 0o077 == 0 => Ok(()),
            Ok(_) => fs::set_permissions(path, PermissionsExt::from_mode(0o600)),
            Err(e) => Err(e),
        };
        while let Some(folder) = folders.pop() {
            let about = match folder.metadata() {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                about => about?,
            };
            // Only its owner may change what is private already.
            if about.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(&folder, PermissionsExt::from_mode(0o700))?;
            }
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file()
                    && let Err(e) = close(&entry.path())
                    && e.kind() != io::ErrorKind::NotFound
                {
                    return Err(e);
                }
            }
        }
    }
    Ok(())
}

/// The installation keys, the newest first; one is generated if there is none.
///
/// # Errors
/// When the file cannot be read or written, or is no row of keys.
pub fn keys(path: &Path) -> io::Result<Vec<[u8; 32]>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let key = random::<32>();
            let mut file = private(path)?;
            file.write_all(&key)?;
            file.sync_all()?;
            key.to_vec()
        }
        Err(e) => return Err(e),
    };
    let (keys, rest) = bytes.as_chunks::<32>();
    if keys.is_empty() || !rest.is_empty() {
        let text = format!("{} is not a key of 32 bytes, or several", path.display());
        return Err(io::Error::other(text));
    }
    Ok(keys.to_vec())
}

/// Replaces the installation keys: the file has the former ones or these, whatever happens.
///
/// # Errors
/// When the file cannot be written.
pub fn keep_keys(path: &Path, keys: &[[u8; 32]]) -> io::Result<()> {
    let beside = path.with_extension("new");
    // Left by somebody who was stopped.
    let _ = fs::remove_file(&beside);
    let mut file = private(&beside)?;
    file.write_all(keys.as_flattened())?;
    // Whoever runs the server has to be able to read it.
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let (about, mine) = (path.metadata()?, file.metadata()?);
        if about.uid() != mine.uid() {
            fchown(&file, Some(about.uid()), None)?;
        }
        // Its owner alone can read it: the group is a matter of taste.
        if about.gid() != mine.gid() {
            let _ = fchown(&file, None, Some(about.gid()));
        }
        file.set_permissions(about.permissions())?;
    }
    file.sync_all()?;
    fs::rename(beside, path)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Held while something is done that only one process may do at a time: until it is dropped.
pub struct Lock(#[expect(dead_code, reason = "closing it opens it")] File);

/// # Errors
/// When another process holds it, or the file cannot be written.
pub fn lock(path: &Path) -> Result<Lock, String> {
    let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|e| told(&e))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(fs::TryLockError::WouldBlock) => Err(told(&"another process is at it")),
        Err(fs::TryLockError::Error(e)) => Err(told(&e)),
    }
}

/// How long ago a file was written.
pub fn age(path: &Path) -> io::Result<Duration> {
    Ok(path.metadata()?.modified()?.elapsed().unwrap_or_default())
}

/// A new file, readable only by its owner.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A text file supplied by the operator.
pub fn text(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Opens a file to be read from its beginning.
pub fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Bytes of memory of this process; 0 where the system does not say.
pub fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}
