//! The journal of workflows, as it lies in the database.

use async_trait::async_trait;
use domain::WorkflowId;
use uuid::Uuid;
use workflow::{Failure, Journal, Outcome, Recovered, Step, Workflow};

use crate::support::{home, open};

struct Add(&'static str);

#[async_trait]
impl Step<Vec<String>, std::fmt::Error> for Add {
    fn name(&self) -> &'static str {
        self.0
    }

    async fn run(&self, context: &mut Vec<String>) -> Result<(), std::fmt::Error> {
        if self.0 == "fail" && !context.contains(&"again".to_owned()) {
            context.push("again".to_owned());
            return Err(std::fmt::Error);
        }
        context.push(self.0.to_owned());
        Ok(())
    }

    async fn undo(&self, context: &mut Vec<String>) -> Result<(), std::fmt::Error> {
        context.push(format!("no {}", self.0));
        Ok(())
    }
}

#[tokio::test]
async fn what_is_unfinished_outlives_the_store_and_what_ended_is_forgotten() {
    let home = home().await;
    let [one, two] = [1, 2].map(|id| WorkflowId(Uuid::from_u128(id)));
    home.begin(two, "deploy", "{}").await.unwrap();
    home.begin(one, "deploy", r#"{"n":0}"#).await.unwrap();
    home.progressed(one, 0, r#"{"n":1}"#).await.unwrap();
    assert!(home.begin(one, "deploy", "{}").await.is_err(), "an id is used once");
    home.store.close().await;

    let store = open(home.dir.path()).await;
    let unfinished = store.unfinished().await.unwrap();
    assert_eq!(
        unfinished.iter().map(|record| (record.id, record.steps_ended)).collect::<Vec<_>>(),
        [(one, 1), (two, 0)]
    );
    assert_eq!((unfinished[0].kind.as_str(), unfinished[0].context.as_str()), ("deploy", r#"{"n":1}"#));
    for id in [one, one, two] {
        store.ended(id, Outcome::Undone).await.unwrap();
    }
    assert!(store.unfinished().await.unwrap().is_empty());
    assert!(store.progressed(one, 1, "{}").await.is_err(), "what ended can't progress");
}

#[tokio::test]
async fn a_workflow_that_got_stuck_is_recovered_from_the_database() {
    let home = home().await;
    let workflow = Workflow {
        kind: "add",
        steps: vec![Box::new(Add("first")), Box::new(Add("fail")), Box::new(Add("last"))],
        pivot: 1,
    };
    let failure = workflow.run(&home.store, WorkflowId(Uuid::from_u128(1)), &mut Vec::new()).await.unwrap_err();
    assert!(matches!(failure, Failure::Stuck { step: "fail", .. }));
    let mut record = home.unfinished().await.unwrap().remove(0);
    assert_eq!((record.steps_ended, record.context.as_str()), (1, r#"["first"]"#));
    record.context = r#"["first","again"]"#.to_owned();
    let recovered = workflow.recover(&home.store, &record).await.unwrap();
    assert_eq!(recovered, Recovered::Done(["first", "again", "fail", "last"].map(str::to_owned).to_vec()));
    assert!(home.unfinished().await.unwrap().is_empty());
}
