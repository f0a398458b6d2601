//! Config vars: a flat map of text.

use std::collections::BTreeMap;

use domain::{ConfigKey, ConfigVars};

/// All config vars of an app or a release.
pub type ConfigMap = BTreeMap<String, String>;

/// `PATCH /apps/:app/config-vars`: a value sets, `null` removes.
pub type UpdateConfig = BTreeMap<ConfigKey, Option<String>>;

pub fn config_map(vars: &ConfigVars) -> ConfigMap {
    vars.iter().map(|(key, value)| (key.to_string(), value.to_owned())).collect()
}
