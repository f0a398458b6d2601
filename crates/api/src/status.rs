//! `/api/v4/current-status`: what `heroku status` shows.

use api_types::status::{CurrentStatus, SystemStatus};
use axum::extract::State;

use crate::Api;
use crate::answer::Answer;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::problem::Refusal;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().get("/api/v4/current-status", Access::Open, Answers::Other, current)
}

/// All is green while the truth can be read; without it nothing can be changed.
async fn current(State(api): State<Api>) -> Result<Answer, Refusal> {
    let status = match api.platform.apps().reachable().await {
        Ok(()) => "green",
        Err(error) => {
            tracing::error!(%error, "The store does not answer");
            "red"
        }
    };
    let systems = ["Apps", "Data", "Tools"];
    let status = systems.map(|system| SystemStatus { system: system.to_owned(), status: status.to_owned() }).to_vec();
    Answer::ok(&CurrentStatus { status, incidents: Vec::new(), scheduled: Vec::new() })
}
