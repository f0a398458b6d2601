//! What lies on a build's disk before its dyno starts.

use std::fs;

use crate::buildpacks;
use crate::driver;
use crate::error::{Platform, io_error};
use crate::plan::{BUILDPACKS_DIR, REPORT_DIR};
use crate::scratch::Scratch;

/// Puts buildpacks, config vars and the driver onto the disk. All names are
/// new, so nothing that an earlier build left can stand in for them.
pub(crate) fn furnish(scratch: &Scratch, env_folder: &str, config: &[(String, String)]) -> Result<(), Platform> {
    let disk = scratch.root();
    // A cache of a killed server may have been kept with more than the cache.
    scratch.clear_except("codon")?;
    let packs = disk.join(BUILDPACKS_DIR.trim_start_matches("/tmp/"));
    buildpacks::unpack(&packs).map_err(|source| io_error("fill", &packs, source))?;
    for folder in [REPORT_DIR.trim_start_matches("/tmp/"), env_folder] {
        let path = disk.join(folder);
        fs::create_dir(&path)
            .and_then(|()| buildpacks::own(&path))
            .map_err(|source| io_error("make", &path, source))?;
    }
    for (key, value) in config {
        let path = disk.join(env_folder).join(key);
        fs::write(&path, value)
            .and_then(|()| buildpacks::own(&path))
            .map_err(|source| io_error("write", &path, source))?;
    }
    let folder = scratch.read_only_folder();
    fs::create_dir(&folder).map_err(|source| io_error("make", &folder, source))?;
    let script = folder.join(driver::SCRIPT_NAME);
    fs::write(&script, driver::SCRIPT).map_err(|source| io_error("write", &script, source))
}
