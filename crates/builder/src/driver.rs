//! The driver: the script that runs the buildpacks inside the build dyno.

/// Its text; it is shown to the dyno read-only.
pub(crate) const SCRIPT: &str = include_str!("../driver/driver.sh");

/// Where the folder with script and plan lies inside the dyno.
pub(crate) const FOLDER: &str = "/opt/renga-build";
pub(crate) const SCRIPT_NAME: &str = "driver.sh";
pub(crate) const PLAN_NAME: &str = "plan";

#[cfg(test)]
mod tests;
