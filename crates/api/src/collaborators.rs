//! `/apps/:app/collaborators`.

use api_types::AppRef;
use api_types::collaborator::{Collaborator, CollaboratorUser, CreateCollaborator};
use axum::extract::State;
use platform::Member;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, InApp, Named};
use crate::problem::Refusal;
use crate::range::{Key, ListRange, Listed};

pub(crate) fn endpoints() -> Endpoints {
    use Answers::{Many, One};

    Endpoints::default()
        .get("/apps/{app}/collaborators", Access::Member, Many("collaborator"), list)
        .post("/apps/{app}/collaborators", Access::Owner, One("collaborator"), add)
        .get("/apps/{app}/collaborators/{collaborator}", Access::Member, One("collaborator"), info)
        // A collaborator may take himself out; the platform refuses the rest.
        .delete("/apps/{app}/collaborators/{collaborator}", Access::Member, One("collaborator"), remove)
}

impl Listed for Collaborator {
    const FIELDS: &'static [&'static str] = &["id", "email"];

    fn key(&self, field: &str) -> Key {
        Key::Text(if field == "email" { self.user.email.to_string() } else { self.id.to_string() })
    }
}

async fn list(State(api): State<Api>, InApp(app): InApp, range: ListRange) -> Result<Answer, Refusal> {
    let members = api.platform.collaborators().list(&app).await?;
    range.answer(members.into_iter().map(|member| shown(&app, member)).collect())
}

async fn add(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Body(wish): Body<CreateCollaborator>,
) -> Result<Answer, Refusal> {
    Answer::created(&shown(&app, api.platform.collaborators().add(&caller, &app, &wish.user).await?))
}

async fn info(State(api): State<Api>, InApp(app): InApp, Named(identity): Named) -> Result<Answer, Refusal> {
    Answer::ok(&shown(&app, api.platform.collaborators().find(&app, &identity).await?))
}

async fn remove(
    State(api): State<Api>,
    Caller(caller): Caller,
    InApp(app): InApp,
    Named(identity): Named,
) -> Result<Answer, Refusal> {
    Answer::ok(&shown(&app, api.platform.collaborators().remove(&caller, &app, &identity).await?))
}

fn shown(app: &domain::App, member: Member) -> Collaborator {
    Collaborator {
        app: AppRef::from(app),
        created_at: member.created_at.into(),
        id: member.id,
        permissions: Vec::new(),
        role: Some(if member.is_owner { "owner" } else { "collaborator" }.to_owned()),
        updated_at: member.updated_at.into(),
        user: CollaboratorUser { email: member.email, federated: false, id: member.account },
    }
}
