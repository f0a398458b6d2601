//! `/dyno-sizes`.

use api_types::dyno_size::{DynoSizeInfo, size_named};
use domain::DynoSize;

use crate::answer::Answer;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::Named;
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

pub(crate) fn endpoints() -> Endpoints {
    use Answers::{Many, One};

    Endpoints::default()
        .get("/dyno-sizes", Access::Account, Many("dyno-size"), list)
        .get("/dyno-sizes/{size}", Access::Account, One("dyno-size"), info)
        .get("/apps/{app}/available-dyno-sizes", Access::Member, Many("dyno-size"), list)
}

impl Listed for DynoSizeInfo {
    const FIELDS: &'static [&'static str] = &["name", "id"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "id" { self.id.to_string() } else { self.name.clone() })
    }
}

async fn list(range: ListRange) -> Result<Answer, Refusal> {
    range.answer(DynoSize::ALL.into_iter().map(DynoSizeInfo::from).collect())
}

async fn info(Named(identity): Named) -> Result<Answer, Refusal> {
    let size = size_named(&identity).map_err(|_| Refusal::not_found("dyno_size"))?;
    Answer::ok(&DynoSizeInfo::from(size))
}
