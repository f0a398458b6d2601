//! The pages of the login: plain HTML that loads nothing and runs nothing.

use axum::response::{Html, IntoResponse, Response};
use domain::Email;
use http::{HeaderName, HeaderValue, StatusCode, header};

pub(super) enum Page {
    SignIn(SignIn),
    SignedIn(Email),
    Refused,
}

/// A form to sign in with.
#[derive(Default)]
pub(super) struct SignIn {
    /// What the client says it is.
    pub(super) description: String,
    /// Filled in already.
    pub(super) email: String,
    /// Why the last try came to nothing.
    pub(super) problem: Option<String>,
    pub(super) wants_new_password: bool,
}

/// No scripts, no pictures, no frames around it, and the form comes back here.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const STYLE: &str = "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#faf8f4;color:#23262b;\
font:17px/1.5 system-ui,sans-serif}main{width:22rem;max-width:90vw;padding:2rem 0}h1{font-size:1.6rem;margin:0 0 .5rem}\
label{display:block;margin:.8rem 0 0}input{box-sizing:border-box;width:100%;font:inherit;padding:.45rem .6rem;\
border:1px solid #c9c4b8;border-radius:.3rem;background:#fff}button{font:inherit;padding:.5rem 1rem;margin:1.2rem .5rem 0 0;\
border:1px solid #2f5d50;border-radius:.3rem;background:#2f5d50;color:#fff;cursor:pointer}\
button.quiet{background:none;color:#2f5d50}.problem{color:#9c2f1f}small{color:#5d626b}";

impl Page {
    pub(super) fn response(&self, status: StatusCode) -> Response {
        let mut response = (status, Html(self.html())).into_response();
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn html(&self) -> String {
        let (title, content) = match self {
            Self::SignIn(form) => ("Sign in", form.html()),
            Self::SignedIn(email) => (
                "Signed in",
                format!("<p>The command line goes on as {}. You can close this page.</p>", escaped(email.as_str())),
            ),
            Self::Refused => ("Refused", "<p>The command line was told so. You can close this page.</p>".to_owned()),
        };
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
             <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n\
             <body><main><h1>{title}</h1>{content}</main></body></html>\n"
        )
    }
}

impl SignIn {
    fn html(&self) -> String {
        let problem =
            self.problem.as_deref().map(|text| format!("<p class=\"problem\" role=\"alert\">{}</p>", escaped(text)));
        let new_password = match self.wants_new_password {
            true => {
                "<label>New password<input name=\"new_password\" type=\"password\" minlength=\"8\" \
                 autocomplete=\"new-password\" required></label>"
            }
            false => "",
        };
        format!(
            "<p>This lets a command line use your account:<br><b>{}</b></p>\
             <p><small>Go on only if you have just started it yourself.</small></p>{}\
             <form method=\"post\"><label>E-mail address<input name=\"email\" type=\"email\" value=\"{}\" \
             autocomplete=\"username\" required></label>\
             <label>Password<input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>{}\
             <button name=\"action\" value=\"sign-in\">Sign in</button>\
             <button class=\"quiet\" name=\"action\" value=\"refuse\" formnovalidate>Refuse</button></form>",
            escaped(&self.description),
            problem.unwrap_or_default(),
            escaped(&self.email),
            new_password,
        )
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_of_themselves_stays_text() {
        let description = "<script>alert('x')</script>".to_owned();
        let form = SignIn { description, email: "\"><b>".to_owned(), ..SignIn::default() };
        let html = Page::SignIn(form).html();
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)") && !html.contains("<script"), "{html}");
        assert!(html.contains("value=\"&quot;&gt;&lt;b&gt;\""), "{html}");
    }
}
