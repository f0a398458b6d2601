//! `/stacks`, `/regions` and `/generations`: what the platform is made of.

use api_types::generation::Generation;
use api_types::region::{self, Region};
use api_types::stack::Stack;
use api_types::{Time, stable_id};
use axum::extract::State;
use jiff::Timestamp;

use crate::Api;
use crate::answer::Answer;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::Named;
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

/// Stacks and the region are part of the platform, not made at a time; clients
/// want one all the same.
const SINCE: Timestamp = Timestamp::constant(1_767_225_600, 0); // 2026-01-01

pub(crate) fn endpoints() -> Endpoints {
    use Answers::{Many, One};

    Endpoints::default()
        .get("/stacks", Access::Account, Many("stack"), list)
        .get("/stacks/{stack}", Access::Account, One("stack"), info)
        .get("/apps/{app}/available-stacks", Access::Member, Many("stack"), list)
        .get("/generations", Access::Account, Many("generation"), generations)
        .get("/generations/{generation}", Access::Account, One("generation"), generation_info)
        .get("/regions", Access::Account, Many("region"), regions)
        .get("/regions/{region}", Access::Account, One("region"), region_info)
}

impl Listed for Stack {
    const FIELDS: &'static [&'static str] = &["name", "id"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "id" { self.id.to_string() } else { self.name.clone() })
    }
}

impl Listed for Region {
    const FIELDS: &'static [&'static str] = &["name", "id"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "id" { self.id.to_string() } else { self.name.clone() })
    }
}

async fn list(State(api): State<Api>, range: ListRange) -> Result<Answer, Refusal> {
    range.answer(all(&api))
}

async fn info(State(api): State<Api>, Named(identity): Named) -> Result<Answer, Refusal> {
    let found = all(&api).into_iter().find(|stack| stack.name == identity || stack.id.to_string() == identity);
    Answer::ok(&found.ok_or_else(|| Refusal::not_found("stack"))?)
}

async fn regions(range: ListRange) -> Result<Answer, Refusal> {
    range.answer(vec![Region::here(Time(SINCE))])
}

async fn region_info(Named(identity): Named) -> Result<Answer, Refusal> {
    if identity == region::REGION || identity == region::reference().id.to_string() {
        Answer::ok(&Region::here(Time(SINCE)))
    } else {
        Err(Refusal::not_found("region"))
    }
}

impl Listed for Generation {
    const FIELDS: &'static [&'static str] = &["name", "id"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "id" { self.id.to_string() } else { self.name.clone() })
    }
}

async fn generations(range: ListRange) -> Result<Answer, Refusal> {
    range.answer(vec![Generation::here(Time(SINCE))])
}

async fn generation_info(Named(identity): Named) -> Result<Answer, Refusal> {
    let generation = Generation::here(Time(SINCE));
    match generation.name == identity || generation.id.to_string() == identity {
        true => Answer::ok(&generation),
        false => Err(Refusal::not_found("generation")),
    }
}

fn all(api: &Api) -> Vec<Stack> {
    let stacks = api.platform.apps().stacks();
    let shown = stacks.iter().map(|stack| Stack {
        created_at: Time(SINCE),
        default: stack.is_default,
        id: stable_id("stack", stack.name),
        name: stack.name.to_owned(),
        state: "public".to_owned(),
        updated_at: Time(SINCE),
    });
    shown.collect()
}

/// The name of a stack that may be given by its id.
pub(crate) fn stack_name(api: &Api, identity: &str) -> String {
    let by_id = all(api).into_iter().find(|stack| stack.id.to_string() == identity);
    by_id.map_or_else(|| identity.to_owned(), |stack| stack.name)
}
