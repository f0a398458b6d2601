//! `/account`, `/users/~` and Renga's own `POST /accounts`.

use api_types::account::{Account, CreateAccount, CreatedAccount, UpdateAccount};
use api_types::rate_limit::RateLimit;
use axum::extract::State;
use domain::Secret;

use crate::Api;
use crate::answer::Answer;
use crate::body::Body;
use crate::endpoint::{Access, Answers, Endpoints};
use crate::guard::{Caller, Named};
use crate::problem::Refusal;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default()
        .get("/account", Access::Account, Answers::One("account"), info)
        .patch("/account", Access::Account, Answers::One("account"), update)
        .delete("/account", Access::Account, Answers::One("account"), delete)
        .get("/account/rate-limits", Access::Account, Answers::One("rate-limit"), rate_limits)
        .get("/users/{account}", Access::Account, Answers::One("account"), find)
        .patch("/users/{account}", Access::Account, Answers::One("account"), update_named)
        .delete("/users/{account}", Access::Account, Answers::One("account"), delete_named)
        .post("/accounts", Access::Operator, Answers::Other, create)
}

async fn info(Caller(caller): Caller) -> Result<Answer, Refusal> {
    Answer::ok(&Account::from(&caller.account))
}

async fn find(State(api): State<Api>, Caller(caller): Caller, Named(identity): Named) -> Result<Answer, Refusal> {
    let account = api.platform.accounts().find(&caller, &identity).await?;
    Answer::ok(&Account::from(&account))
}

async fn update(
    State(api): State<Api>,
    Caller(caller): Caller,
    Body(wish): Body<UpdateAccount>,
) -> Result<Answer, Refusal> {
    let accounts = api.platform.accounts();
    if let Some(new) = &wish.new_password {
        let current = wish
            .password
            .as_deref()
            .ok_or_else(|| Refusal::invalid("`password`, the one you have now, is missing."))?;
        accounts.change_password(&caller, &Secret::new(current), &Secret::new(new.as_str())).await?;
    }
    let account = match &wish.name {
        Some(name) => accounts.rename(&caller, name.as_deref()).await?,
        None => caller.account,
    };
    Answer::ok(&Account::from(&account))
}

/// As [`update`]: no one changes another's account, not even the operator.
async fn update_named(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(identity): Named,
    wish: Body<UpdateAccount>,
) -> Result<Answer, Refusal> {
    let account = api.platform.accounts().find(&caller, &identity).await?;
    if account.id != caller.account.id {
        return Err(Refusal::forbidden("Only its holder may change an account."));
    }
    update(State(api), Caller(caller), wish).await
}

async fn delete(State(api): State<Api>, Caller(caller): Caller) -> Result<Answer, Refusal> {
    api.platform.accounts().delete(&caller, &caller.account).await?;
    Answer::ok(&Account::from(&caller.account))
}

async fn delete_named(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(identity): Named,
) -> Result<Answer, Refusal> {
    let account = api.platform.accounts().find(&caller, &identity).await?;
    api.platform.accounts().delete(&caller, &account).await?;
    Answer::ok(&Account::from(&account))
}

async fn rate_limits(State(api): State<Api>, Caller(caller): Caller) -> Result<Answer, Refusal> {
    Answer::ok(&RateLimit { remaining: api.limits.take(caller.account.id, true)? })
}

async fn create(
    State(api): State<Api>,
    Caller(caller): Caller,
    Body(wish): Body<CreateAccount>,
) -> Result<Answer, Refusal> {
    let (account, password) = api.platform.accounts().create(&caller, &wish.email, wish.name.as_deref()).await?;
    Answer::created(&CreatedAccount {
        id: account.id,
        email: account.email,
        name: account.name,
        one_time_password: password.expose().to_owned(),
        created_at: account.created_at.into(),
    })
}
