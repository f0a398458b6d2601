//! Steps that leave marks in a world outside of their context, and fail on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use workflow::{Step, Workflow};

pub(crate) const STEPS: usize = 4;

/// What steps leave behind outside of the context.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) made: BTreeSet<usize>,
    /// Calls of `run` and `undo` in their order.
    pub(crate) calls: Vec<String>,
    /// How often `run` of a step is still to fail.
    pub(crate) failing_runs: BTreeMap<usize, u32>,
    pub(crate) failing_undos: BTreeMap<usize, u32>,
    /// The step that never comes back from its `run`, having done its work or not.
    pub(crate) hangs_in: Option<(usize, bool)>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    pub(crate) ended: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no luck in step {0}")]
pub(crate) struct NoLuck(pub(crate) usize);

pub(crate) struct Make {
    index: usize,
    world: Arc<Mutex<World>>,
}

pub(crate) fn fails(budget: &mut BTreeMap<usize, u32>, index: usize) -> bool {
    match budget.get_mut(&index) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

#[async_trait]
impl Step<Context, NoLuck> for Make {
    fn name(&self) -> &'static str {
        ["first", "second", "third", "fourth"][self.index]
    }

    async fn run(&self, context: &mut Context) -> Result<(), NoLuck> {
        let hangs = {
            let mut world = self.world.lock().unwrap();
            world.calls.push(format!("run {}", self.index));
            let hangs = world.hangs_in.take_if(|(index, _)| *index == self.index);
            if hangs.is_none_or(|(_, after_its_work)| after_its_work) {
                world.made.insert(self.index);
            }
            if fails(&mut world.failing_runs, self.index) {
                return Err(NoLuck(self.index));
            }
            hangs
        };
        if hangs.is_some() {
            std::future::pending::<()>().await;
        }
        context.ended.push(self.index);
        Ok(())
    }

    async fn undo(&self, _: &mut Context) -> Result<(), NoLuck> {
        let mut world = self.world.lock().unwrap();
        world.calls.push(format!("undo {}", self.index));
        if fails(&mut world.failing_undos, self.index) {
            return Err(NoLuck(self.index));
        }
        assert!(
            world.made.iter().all(|made| *made <= self.index),
            "later steps are undone before earlier ones, but {:?} stand when {} is undone",
            world.made,
            self.index
        );
        world.made.remove(&self.index);
        Ok(())
    }
}

pub(crate) fn workflow(pivot: usize) -> (Workflow<Context, NoLuck>, Arc<Mutex<World>>) {
    let world = Arc::new(Mutex::new(World::default()));
    let step = |index| Box::new(Make { index, world: world.clone() }) as Box<dyn Step<Context, NoLuck>>;
    (Workflow { kind: "make", steps: (0..STEPS).map(step).collect(), pivot }, world)
}
