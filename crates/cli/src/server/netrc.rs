//! The one look that we take into `~/.netrc`: the token that the official CLI
//! stored there at `heroku login`.

/// The token that is stored for this host (with its port).
pub(super) fn stored(host: &str) -> Option<String> {
    let path = std::env::home_dir()?.join(".netrc");
    password(&std::fs::read_to_string(path).ok()?, host)
}

/// The password of `machine` in the text of a netrc file.
fn password(text: &str, machine: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let mut is_ours = false;
    while let Some(word) = words.next() {
        match word {
            "machine" => is_ours = words.next() == Some(machine),
            "default" => is_ours = false,
            "password" if is_ours => return words.next().map(str::to_owned),
            "login" | "account" | "password" => {
                words.next();
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_found_by_host_and_port() {
        let text = "machine localhost:4000\n  login a@b.c\n  password other\n\
                    machine localhost:5000 login machine password ours\ndefault login x password y\n";
        assert_eq!(password(text, "localhost:5000").as_deref(), Some("ours"));
        assert_eq!(password(text, "localhost:4000").as_deref(), Some("other"));
        assert_eq!(password(text, "localhost"), None);
        assert_eq!(password("machine localhost:5000 password", "localhost:5000"), None);
    }
}
