//! Every step fails once, every step runs twice, a crash at any point: in the
//! end the world is as if all was done, or as if nothing ever was.
#![expect(clippy::unwrap_used, reason = "a test that can not go on is to fail")]

mod memory;
mod world;

use std::collections::BTreeSet;

use domain::WorkflowId;
use proptest::prelude::*;
use workflow::{Failure, Journal, Outcome, Record, Recovered, Workflow};

use memory::{Memory, Stop};
use world::{Context, NoLuck, STEPS, workflow};

const ID: WorkflowId = WorkflowId(uuid::Uuid::from_u128(7));

fn all() -> BTreeSet<usize> {
    (0..STEPS).collect()
}

/// Recovers whatever the journal holds, and checks that it holds nothing then.
async fn recovered(workflow: &Workflow<Context, NoLuck>, journal: &Memory) -> Option<Recovered<Context>> {
    let mut end = None;
    for record in journal.unfinished().await.unwrap() {
        assert_eq!(record.kind, "make");
        end = Some(workflow.recover(journal, &record).await.unwrap());
    }
    assert!(journal.unfinished().await.unwrap().is_empty());
    end
}

#[tokio::test]
async fn without_trouble_every_step_runs_once_and_the_context_goes_along() {
    let (workflow, world) = workflow(2);
    let (journal, mut context) = (Memory::default(), Context::default());
    workflow.run(&journal, ID, &mut context).await.unwrap();
    assert_eq!(context.ended, [0, 1, 2, 3]);
    assert_eq!(world.lock().unwrap().calls, ["run 0", "run 1", "run 2", "run 3"]);
    assert_eq!(*journal.outcomes.lock().unwrap(), [Outcome::Done]);
    assert!(journal.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_step_that_fails_before_the_pivot_undoes_itself_and_all_before_it_in_reverse() {
    let (workflow, world) = workflow(3);
    world.lock().unwrap().failing_runs.insert(2, 1);
    let journal = Memory::default();
    let failure = workflow.run(&journal, ID, &mut Context::default()).await.unwrap_err();
    assert!(matches!(failure, Failure::Undone { step: "third", source: NoLuck(2) }), "{failure:?}");
    assert_eq!(world.lock().unwrap().calls, ["run 0", "run 1", "run 2", "undo 2", "undo 1", "undo 0"]);
    assert_eq!(*journal.outcomes.lock().unwrap(), [Outcome::Undone]);
}

#[tokio::test]
async fn every_step_that_fails_once_leaves_all_or_nothing() {
    for pivot in 0..=STEPS {
        for failing in 0..STEPS {
            let (workflow, world) = workflow(pivot);
            world.lock().unwrap().failing_runs.insert(failing, 1);
            let journal = Memory::default();
            let failure = workflow.run(&journal, ID, &mut Context::default()).await.unwrap_err();
            if failing < pivot {
                assert!(matches!(failure, Failure::Undone { source: NoLuck(step), .. } if step == failing));
                assert_eq!(world.lock().unwrap().made, BTreeSet::new());
                assert_eq!(recovered(&workflow, &journal).await, None);
            } else {
                assert!(matches!(failure, Failure::Stuck { source: NoLuck(step), .. } if step == failing));
                let context = Context { ended: (0..STEPS).collect() };
                assert_eq!(recovered(&workflow, &journal).await, Some(Recovered::Done(context)));
                assert_eq!(world.lock().unwrap().made, all());
            }
        }
    }
}

#[tokio::test]
async fn an_undo_that_fails_stops_there_and_recovery_undoes_the_rest() {
    for failing_undo in 0..STEPS {
        let (workflow, world) = workflow(STEPS);
        world.lock().unwrap().failing_runs.insert(STEPS - 1, 1);
        world.lock().unwrap().failing_undos.insert(failing_undo, 1);
        let journal = Memory::default();
        let failure = workflow.run(&journal, ID, &mut Context::default()).await.unwrap_err();
        assert!(
            matches!(failure, Failure::UndoFailed { source: NoLuck(step), cause: Some(NoLuck(3)), .. } if step == failing_undo)
        );
        assert_eq!(world.lock().unwrap().made, (0..=failing_undo).collect());
        assert!(matches!(recovered(&workflow, &journal).await, Some(Recovered::Undone(_))));
        assert_eq!(world.lock().unwrap().made, BTreeSet::new());
    }
}

#[tokio::test]
async fn a_journal_that_stops_at_any_write_is_a_crash_that_recovery_mends() {
    // begin, one per step, ended
    for pivot in 0..=STEPS {
        for write in 1..=STEPS + 2 {
            for keeps_it in [false, true] {
                let (workflow, world) = workflow(pivot);
                let journal = Memory { stops_at: Some(Stop { write, keeps_it }), ..Memory::default() };
                let failure = workflow.run(&journal, ID, &mut Context::default()).await.unwrap_err();
                assert!(matches!(failure, Failure::Journal(_)));
                assert!(!world.lock().unwrap().calls.iter().any(|call| call.starts_with("undo")));

                let journal = journal.mended();
                let steps_ended = journal.unfinished().await.unwrap().first().map(|record| record.steps_ended);
                let end = recovered(&workflow, &journal).await;
                let made = world.lock().unwrap().made.clone();
                match steps_ended {
                    // It never began (nothing ran), or it had ended.
                    None => assert_eq!(made, if write == 1 { BTreeSet::new() } else { all() }),
                    Some(ended) if ended < pivot => {
                        assert!(matches!(end, Some(Recovered::Undone(_))));
                        assert_eq!(made, BTreeSet::new());
                    }
                    Some(_) => {
                        assert_eq!(end, Some(Recovered::Done(Context { ended: (0..STEPS).collect() })));
                        assert_eq!(made, all());
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_crash_within_any_step_is_mended_and_mending_it_twice_does_no_harm() {
    for pivot in 0..=STEPS {
        for (step, after_its_work) in (0..STEPS).flat_map(|step| [(step, false), (step, true)]) {
            let (workflow, world) = workflow(pivot);
            world.lock().unwrap().hangs_in = Some((step, after_its_work));
            let journal = Memory::default();
            {
                let mut context = Context::default();
                let mut run = std::pin::pin!(workflow.run(&journal, ID, &mut context));
                assert!(polled_once(run.as_mut()).is_none(), "it hangs in step {step}");
            } // dropped: the crash
            let record = journal.unfinished().await.unwrap().remove(0);
            assert_eq!(record.steps_ended, step);
            let expected = if step < pivot { BTreeSet::new() } else { all() };
            for _ in 0..2 {
                workflow.recover(&journal, &record_of(&journal, &record)).await.unwrap();
                assert_eq!(world.lock().unwrap().made, expected);
            }
            assert!(journal.unfinished().await.unwrap().is_empty());
        }
    }
}

/// The record as it was, put back: the first recovery crashed before its end.
fn record_of(journal: &Memory, record: &Record) -> Record {
    journal.records.lock().unwrap().insert(record.id, record.clone());
    record.clone()
}

/// Polls once; what hangs is `None`.
fn polled_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

proptest! {
    /// Steps fail, undos fail, the journal stops: after enough recoveries the
    /// world is whole, and which way it went is what the journal said.
    #[test]
    fn whatever_fails_the_world_ends_whole(
        pivot in 0..=STEPS,
        runs in prop::collection::btree_map(0..STEPS, 0..3u32, 0..3),
        undos in prop::collection::btree_map(0..STEPS, 0..3u32, 0..3),
        stop in prop::option::of((1..10usize, any::<bool>())),
    ) {
        let (workflow, world) = workflow(pivot);
        {
            let mut world = world.lock().unwrap();
            world.failing_runs = runs;
            world.failing_undos = undos;
        }
        let stops_at = stop.map(|(write, keeps_it)| Stop { write, keeps_it });
        let journal = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let mut journal = Memory { stops_at, ..Memory::default() };
            let _ = workflow.run(&journal, ID, &mut Context::default()).await;
            for _ in 0..20 {
                for record in journal.unfinished().await.unwrap() {
                    let _ = workflow.recover(&journal, &record).await;
                }
                journal = journal.mended();
            }
            assert!(journal.unfinished().await.unwrap().is_empty());
            journal
        });
        let made = world.lock().unwrap().made.clone();
        match journal.outcomes.lock().unwrap()[..] {
            [] => prop_assert_eq!(made, BTreeSet::new()), // it never began
            [Outcome::Done] => prop_assert_eq!(made, all()),
            [Outcome::Undone] => prop_assert_eq!(made, BTreeSet::new()),
            ref more => prop_assert!(false, "{more:?}"),
        }
    }
}
