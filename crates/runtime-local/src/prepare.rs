//! From a wish to a [`Plan`]: what the server makes ready before the keeper
//! starts a dyno.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use runtime::{DynoSpec, StackRoot, StartError, Stdio};

use crate::etc;
use crate::local::LocalRuntime;
use crate::wire::{Plan, PlanMount, PlanRoot, PlanStdio, Record};

impl LocalRuntime {
    /// Makes all that a dyno needs on the host. Blocks for the odd
    /// millisecond, longer for the first mount of an image, or for seconds if
    /// it is to be unpacked.
    pub(crate) fn prepare(&self, spec: &DynoSpec, slot: u16, address: Ipv4Addr) -> Result<Plan, StartError> {
        let mut images = Vec::new();
        let prepared = self.prepare_with(spec, slot, address, &mut images);
        if prepared.is_err() {
            self.images.release(&images);
            self.remove_files(spec.id);
        }
        prepared
    }

    fn prepare_with(
        &self,
        spec: &DynoSpec,
        slot: u16,
        address: Ipv4Addr,
        images: &mut Vec<String>,
    ) -> Result<Plan, StartError> {
        let mut acquire = |image: &Path| {
            let name = self.images.acquire(image).map_err(|error| {
                let (what, source) = error.into_parts();
                StartError::Failed { what, source: Some(source) }
            })?;
            images.push(name.clone());
            Ok::<PathBuf, StartError>(self.images.place(&name))
        };
        let stack = match &spec.root.stack {
            StackRoot::Image(image) => Some(acquire(image)?),
            StackRoot::Host => None,
        };
        let mut layers = Vec::new();
        for layer in &spec.root.layers {
            let app = acquire(layer)?.join("app");
            if app.is_dir() {
                layers.push(app);
            }
        }
        let resolv_conf = self.network.resolv_conf().map_err(|source| failed("read the name servers", source))?;
        let dir = self.paths.dyno(spec.id);
        fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|source| failed("make its directory", source))?;
        let cgroup = self
            .cgroups
            .make(spec.id, &spec.limits)
            .map_err(|error| StartError::Failed { what: error.to_string(), source: None })?;
        let disk = self.disks.of_size(spec.limits.disk_bytes).map_err(|source| failed("make its disk", source))?;
        let first_id = self.ids.first_id(slot).map_err(|source| failed("find user ids for it", source))?;
        Ok(Plan {
            record: Record {
                id: spec.id,
                app: spec.app,
                label: spec.label.clone(),
                slot,
                address,
                started_at: jiff::Timestamp::now(),
                images: images.clone(),
                oom: cgroup.oom.clone(),
            },
            first_id,
            hostname: spec.hostname.clone(),
            files: etc::files(spec, stack.as_deref(), address, resolv_conf),
            root: stack.map_or(PlanRoot::Host, PlanRoot::Mounted),
            layers,
            command: spec.command.clone(),
            env: spec.env.clone(),
            cwd: spec.cwd.clone(),
            mounts: spec
                .mounts
                .iter()
                .map(|mount| PlanMount {
                    source: mount.source.clone(),
                    target: mount.target.clone(),
                    read_only: mount.read_only,
                })
                .collect(),
            cgroup,
            disk,
            shm_bytes: spec.limits.memory_bytes,
            scratch: self.paths.scratch(),
            dir,
            stdio: match spec.stdio {
                Stdio::Logged => PlanStdio::Logged,
                Stdio::Attached { terminal: None } => PlanStdio::Pipes,
                Stdio::Attached { terminal: Some(size) } => {
                    PlanStdio::Terminal { columns: size.columns, rows: size.rows }
                }
            },
        })
    }
}

pub(crate) fn failed(what: &str, source: io::Error) -> StartError {
    StartError::Failed { what: format!("could not {what}"), source: Some(source) }
}
