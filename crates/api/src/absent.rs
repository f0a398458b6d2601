//! What Heroku has and this platform has not yet: lists that are truly empty,
//! and one clear answer for all the rest, by topic.

use axum::Json;
use axum::extract::RawQuery;
use serde_json::{Value, json};

use crate::endpoint::{Access, Answers, Endpoints};
use crate::problem::Refusal;

pub(crate) fn endpoints() -> Endpoints {
    use Access::{Account, Member};
    use Answers::{NoneOf, Other, Problem};

    Endpoints::default()
        .get("/addons", Account, NoneOf("add-on"), none)
        .get("/addon-attachments", Account, NoneOf("add-on-attachment"), none)
        .get("/addon-services", Account, NoneOf("add-on-service"), none)
        .get("/users/{account}/addons", Account, NoneOf("add-on"), none)
        .get("/account/app-transfers", Account, NoneOf("app-transfer"), none)
        .get("/account/invoices", Account, NoneOf("invoice"), none)
        .get("/enterprise-accounts", Account, NoneOf("enterprise-account"), none)
        .get("/oauth/clients", Account, NoneOf("oauth-client"), none)
        .get("/pipelines", Account, NoneOf("pipeline"), pipelines)
        .get("/pipeline-couplings", Account, NoneOf("pipeline-coupling"), none)
        .get("/spaces", Account, NoneOf("space"), none)
        .get("/teams", Account, NoneOf("team"), none)
        .get("/users/{account}/pipeline-couplings", Account, NoneOf("pipeline-coupling"), none)
        .get("/apps/{app}/addons", Member, NoneOf("add-on"), none)
        .get("/apps/{app}/addon-attachments", Member, NoneOf("add-on-attachment"), none)
        .get("/apps/{app}/sni-endpoints", Member, NoneOf("sni-endpoint"), none)
        .get("/apps/{app}/telemetry-drains", Member, NoneOf("telemetry-drain"), none)
        .get("/apps/{app}/webhooks", Member, NoneOf("app-webhook"), none)
        .get("/apps/{app}/webhook-deliveries", Member, NoneOf("app-webhook-delivery"), none)
        .get("/apps/{app}/webhook-events", Member, NoneOf("app-webhook-event"), none)
        .get("/apps/{app}/usage", Member, Other, no_usage)
        .get("/apps/{app}/pipeline-couplings", Member, Problem, no_pipeline_coupling)
        .get("/apps/{app}/features/runtime-heroku-exec", Member, Problem, no_exec)
}

async fn none() -> Json<[(); 0]> {
    Json([])
}

/// Of metered add-ons.
async fn no_usage() -> Json<Value> {
    Json(json!({ "addons": [] }))
}

/// Clients look for a pipeline by its name in a filtered list, and would tell
/// their user that he misspelt it.
async fn pipelines(RawQuery(query): RawQuery) -> Result<Json<[(); 0]>, Refusal> {
    match query.is_some_and(|query| query.contains("name")) {
        true => Err(Refusal::not_yet("Pipelines are")),
        false => Ok(Json([])),
    }
}

/// `apps:info` shows an app without one, if it gets a 404.
async fn no_pipeline_coupling() -> Refusal {
    Refusal::not_found_yet("pipeline_coupling", "Pipelines are")
}

/// Without it `ps:exec` and its like do not go on.
async fn no_exec() -> Refusal {
    Refusal::not_yet("Shells inside running dynos are")
}

/// The parts of the API of Heroku that are not here, as `*` for one part of a
/// path; what lies below a path belongs to it. The first that fits counts.
const TOPICS: &[(&str, &str)] = &[
    ("/account/app-transfers", "Transfers of apps are"),
    ("/account/credits", "Bills are"),
    ("/account/delinquency", "Bills are"),
    ("/account/invoice-address", "Bills are"),
    ("/account/invoices", "Bills are"),
    ("/accounts/*/actions/get-quota", "Quotas are"),
    ("/actions/addons", "Add-ons are"),
    ("/actions/addon-attachments", "Add-ons are"),
    ("/addon-attachments", "Add-ons are"),
    ("/addon-region-capabilities", "Add-ons are"),
    ("/addon-services", "Add-ons are"),
    ("/addons", "Add-ons are"),
    ("/app-setups", "App setups (app.json) are"),
    ("/apps/*/acm", "Automatic certificates are"),
    ("/apps/*/addon-attachments", "Add-ons are"),
    ("/apps/*/addons", "Add-ons are"),
    ("/apps/*/dynos/*", "Commands inside running dynos are"),
    ("/apps/*/formation/*/metrics", "Metrics are"),
    ("/apps/*/formation/*/monitors", "Autoscaling is"),
    ("/apps/*/oci-images", "Images of Fir apps are"),
    ("/apps/*/pipeline-couplings", "Pipelines are"),
    ("/apps/*/pre-authorizations", "Two-factor authentication is"),
    ("/apps/*/review-app", "Review apps are"),
    ("/apps/*/router-metrics", "Metrics are"),
    ("/apps/*/slugs", "Slugs from elsewhere are"),
    ("/apps/*/sni-endpoints", "Certificates of one's own are"),
    ("/apps/*/telemetry-drains", "Telemetry drains are"),
    ("/apps/*/webhook-deliveries", "Webhooks are"),
    ("/apps/*/webhook-events", "Webhooks are"),
    ("/apps/*/webhooks", "Webhooks are"),
    ("/client/v11", "Postgres databases are"),
    ("/data/maintenances", "Databases and their maintenance are"),
    ("/data", "Postgres databases are"),
    ("/enterprise-accounts", "Enterprise accounts are"),
    ("/favorites", "Favorites are"),
    ("/filters/apps", "Filters of apps are"),
    ("/oauth/clients", "OAuth clients are"),
    ("/oauth/token", "OAuth clients are"),
    ("/oauth/tokens", "OAuth clients are"),
    ("/password-resets", "Password resets by e-mail are"),
    ("/pipelines/*/review-app-config", "Review apps are"),
    ("/pipelines/*/review-apps", "Review apps are"),
    ("/pipelines/*/test-runs", "CI is"),
    ("/pipelines/*/webhooks", "Webhooks of pipelines are"),
    ("/pipeline-couplings", "Pipelines are"),
    ("/pipeline-promotions", "Pipelines are"),
    ("/pipeline-transfers", "Pipelines are"),
    ("/pipelines", "Pipelines are"),
    ("/plans", "Add-ons are"),
    ("/postgres/v0", "Postgres databases are"),
    ("/redis/v0", "Redis databases are"),
    ("/regions/*/addon-region-capabilities", "Add-ons are"),
    ("/review-apps", "Review apps are"),
    ("/spaces", "Private spaces are"),
    ("/teams", "Teams are"),
    ("/telemetry-drains", "Telemetry drains are"),
    ("/test-runs", "CI is"),
    ("/user/notifications", "Notifications are"),
    ("/users/*/pipeline-couplings", "Pipelines are"),
    ("/users/*/preferences", "Preferences are"),
    ("/users/*/sms-number", "SMS numbers are"),
    ("/v2", "The container registry is"),
];

/// What a path is about, if it is of Heroku's API and not of ours.
pub(crate) fn topic_of(path: &str) -> Option<&'static str> {
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() <= parts.len()
            && pattern.iter().zip(&parts).all(|(wanted, part)| *wanted == "*" || wanted == part)
    };
    TOPICS.iter().find(|(pattern, _)| fits(pattern)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_a_topic_belongs_to_it_and_nothing_else_does() {
        assert_eq!(topic_of("/pipelines"), Some("Pipelines are"));
        assert_eq!(topic_of("/pipelines/x/stage/test/config-vars"), Some("Pipelines are"));
        assert_eq!(topic_of("/pipelines/x/test-runs/1"), Some("CI is"));
        assert_eq!(topic_of("/apps/a/acm/"), Some("Automatic certificates are"));
        for ours in ["/", "/apps", "/apps/a", "/apps/a/dynos", "/pipelinesx", "/apps/a/nonsense", "/account"] {
            assert_eq!(topic_of(ours), None, "{ours}");
        }
    }
}
