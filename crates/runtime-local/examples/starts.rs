//! How long a dyno's start takes: `starts [N]`, as root.
//!
//! Measures from the request to the answer that the app's process exists, and
//! on to the arrival of its exit, of `/bin/true` under all isolation and
//! limits, one after the other.

use std::time::{Duration, Instant};

use domain::{AppId, DynoId};
use runtime::{DynoSpec, Event, Limits, RootFs, Runtime, StackRoot, Stdio};
use runtime_local::{Config, LocalRuntime};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(100), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    // target/PROFILE/examples/starts has the keeper in the directory above.
    let keeper = std::env::current_exe()?.with_file_name("../runtime-local-keeper").canonicalize()?;
    let config = Config::new(dir.path().to_owned(), vec![keeper.into(), dir.path().into()]);
    let (runtime, mut events) = LocalRuntime::open(config).await?;
    let (mut started, mut ended, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let spec = spec();
        let id = spec.id;
        let begun = Instant::now();
        runtime.start(spec).await?;
        started.push(begun.elapsed());
        while !matches!(events.recv().await, Some(Event::Exited { .. }) | None) {}
        ended.push(begun.elapsed());
        let begun = Instant::now();
        runtime.remove(id).await?;
        removed.push(begun.elapsed());
    }
    for (what, mut times) in [("start", started), ("start to exit", ended), ("remove", removed)] {
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!("{what:14} min {:?}  p50 {:?}  p90 {:?}  p99 {:?}", times[0], at(0.5), at(0.9), at(0.99));
    }
    drop(runtime);
    runtime_local::down(dir.path(), Duration::ZERO)?;
    Ok(())
}

fn spec() -> DynoSpec {
    DynoSpec {
        id: DynoId(Uuid::now_v7()),
        app: AppId(Uuid::nil()),
        hostname: "bench".to_owned(),
        root: RootFs { stack: StackRoot::Host, layers: Vec::new() },
        command: vec!["/bin/true".to_owned()],
        env: Vec::new(),
        cwd: "/app".into(),
        mounts: Vec::new(),
        limits: Limits { memory_bytes: 512 << 20, processes: 256, cpu_share: 1, cpu_millis: None, disk_bytes: 2 << 30 },
        stdio: Stdio::Logged,
        label: String::new(),
    }
}
