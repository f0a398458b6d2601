//! What Heroku has and this platform has not: lists that are truly empty, and
//! clear answers where a client looks for one thing.

use axum::Json;

use crate::endpoint::{Access, Answers, Endpoints};
use crate::problem::Refusal;

pub(crate) fn endpoints() -> Endpoints {
    use Access::{Account, Member, Open};
    use Answers::{NoneOf, Problem};

    Endpoints::default()
        .get("/addons", Account, NoneOf("add-on"), none)
        .get("/addon-attachments", Account, NoneOf("add-on-attachment"), none)
        .get("/addon-services", Account, NoneOf("add-on-service"), none)
        .get("/users/{account}/addons", Account, NoneOf("add-on"), none)
        .get("/account/app-transfers", Account, NoneOf("app-transfer"), none)
        .get("/account/invoices", Account, NoneOf("invoice"), none)
        .get("/account/keys", Account, NoneOf("key"), none)
        .get("/enterprise-accounts", Account, NoneOf("enterprise-account"), none)
        .get("/oauth/clients", Account, NoneOf("oauth-client"), none)
        .get("/pipelines", Account, NoneOf("pipeline"), none)
        .get("/pipeline-couplings", Account, NoneOf("pipeline-coupling"), none)
        .get("/spaces", Account, NoneOf("space"), none)
        .get("/teams", Account, NoneOf("team"), none)
        .get("/users/{account}/pipeline-couplings", Account, NoneOf("pipeline-coupling"), none)
        .get("/apps/{app}/addons", Member, NoneOf("add-on"), none)
        .get("/apps/{app}/addon-attachments", Member, NoneOf("add-on-attachment"), none)
        .get("/apps/{app}/sni-endpoints", Member, NoneOf("sni-endpoint"), none)
        .get("/apps/{app}/webhooks", Member, NoneOf("app-webhook"), none)
        .get("/apps/{app}/webhook-deliveries", Member, NoneOf("app-webhook-delivery"), none)
        .get("/apps/{app}/webhook-events", Member, NoneOf("app-webhook-event"), none)
        .get("/apps/{app}/pipeline-couplings", Member, Problem, no_pipeline_coupling)
        .get("/apps/{app}/review-app", Member, Problem, no_review_app)
        .get("/apps/{app}/addons/{addon}", Member, Problem, no_addon)
        .get("/addons/{addon}", Account, Problem, no_addon)
        .post("/actions/addons/resolve", Account, Problem, no_addon)
        .post("/actions/addon-attachments/resolve", Account, Problem, no_attachment)
        .get("/spaces/{space}", Account, Problem, no_space)
        .get("/teams/{team}", Account, Problem, no_team)
        .get("/teams/{team}/apps", Account, Problem, no_team)
        .get("/pipelines/{pipeline}", Account, Problem, no_pipeline)
        .post("/auth", Open, Problem, no_browser_login)
}

async fn none() -> Json<[(); 0]> {
    Json([])
}

async fn no_pipeline_coupling() -> Refusal {
    Refusal::not_found("pipeline_coupling")
}

async fn no_review_app() -> Refusal {
    Refusal::not_found("review_app")
}

async fn no_addon() -> Refusal {
    Refusal::not_found("add_on")
}

async fn no_attachment() -> Refusal {
    Refusal::not_found("add_on attachment")
}

async fn no_space() -> Refusal {
    Refusal::not_found("space")
}

async fn no_team() -> Refusal {
    Refusal::not_found("team")
}

async fn no_pipeline() -> Refusal {
    Refusal::not_found("pipeline")
}

async fn no_browser_login() -> Refusal {
    Refusal::not_implemented("Login by a browser is not available here: use `heroku login -i`, or set HEROKU_API_KEY.")
}
