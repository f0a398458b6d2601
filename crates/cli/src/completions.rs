//! `renga completions SHELL`: what a shell needs to complete this program's
//! words, and the hidden command that it asks for them.
//!
//! The shell asks us at each Tab, so commands are always those of this very
//! binary, and names of apps and profiles can be among the answers.

use std::process::ExitCode;

use crate::api::Api;
use crate::server::ServerArgs;
use crate::server::profiles::Profiles;

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

/// In bash a colon divides words: what stands before it is cut off of each answer.
const BASH: &str = r#"_renga() {
    local line="${COMP_LINE:0:COMP_POINT}" words cur
    read -r -a words <<< "$line"
    [[ "$line" == *[[:blank:]] ]] && words+=('')
    cur="${words[-1]}"
    local IFS=$'\n'
    COMPREPLY=($(renga complete -- "${words[@]:1}" 2>/dev/null))
    if [[ "$cur" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
        local before="${cur%"${cur##*:}"}" i
        for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]="${COMPREPLY[i]#"$before"}"; done
    fi
}
complete -o default -F _renga renga
"#;

const ZSH: &str = r#"#compdef renga
_renga() {
    local -a answers
    answers=("${(@f)$(renga complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    answers=("${(@)answers:#}")
    if (( ${#answers} )); then compadd -- "${answers[@]}"; else _files; fi
}
if [ "$funcstack[1]" = _renga ]; then _renga "$@"; else compdef _renga renga; fi
"#;

const FISH: &str = r#"function __renga_complete
    set -l words (commandline --tokenize --cut-at-cursor)
    renga complete -- $words[2..-1] (commandline --current-token --cut-at-cursor) 2>/dev/null
end
complete --command renga --no-files --arguments '(__renga_complete)'
"#;

pub(crate) fn script(args: &Args) -> ExitCode {
    print!(
        "{}",
        match args.shell {
            Shell::Bash => BASH,
            Shell::Zsh => ZSH,
            Shell::Fish => FISH,
        }
    );
    ExitCode::SUCCESS
}

#[derive(Debug, clap::Args)]
pub struct CompleteArgs {
    /// The words so far, the one under the cursor last
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// One answer per line; none at all is no error: a shell can't show one.
pub(crate) fn complete(args: &CompleteArgs, root: &clap::Command) -> ExitCode {
    let (last, before) = match args.words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", [].as_slice()),
    };
    let mut answers = answers(root, before, last, &names);
    answers.retain(|answer| answer.starts_with(last));
    answers.sort();
    answers.dedup();
    answers.iter().for_each(|answer| println!("{answer}"));
    ExitCode::SUCCESS
}

/// What has names that only the machine or the server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    App,
    Profile,
}

fn names(named: Named) -> Vec<String> {
    // Whatever is wrong here, there is nobody to tell.
    match named {
        Named::Profile => Profiles::open().map(|all| all.names().map(str::to_owned).collect()).unwrap_or_default(),
        Named::App => {
            let apps = ServerArgs::default().find().and_then(Api::of).and_then(|api| api.list("/apps"));
            let apps = apps.unwrap_or_default();
            apps.iter().filter_map(|app| app["name"].as_str().map(str::to_owned)).collect()
        }
    }
}

fn answers(root: &clap::Command, before: &[String], last: &str, names: &dyn Fn(Named) -> Vec<String>) -> Vec<String> {
    let Some((command, words)) = command_of(root, before) else { return commands(root, before) };
    let wants = |flag: &str| {
        command.get_arguments().find(|argument| {
            let long = argument.get_long().is_some_and(|long| flag == format!("--{long}"));
            let short = argument.get_short().is_some_and(|short| flag == format!("-{short}"));
            (long || short) && argument.get_action().takes_values()
        })
    };
    if let Some(argument) = words.last().and_then(|flag| wants(flag)) {
        return match argument.get_id().as_str() {
            "app" | "confirm" => names(Named::App),
            "profile" => names(Named::Profile),
            _ => possible_values(argument),
        };
    }
    if last.starts_with('-') {
        let long = command.get_arguments().filter(|argument| !argument.is_hide_set());
        return long.filter_map(|argument| argument.get_long()).map(|long| format!("--{long}")).collect();
    }
    // After `ps` may come `scale`, for `ps scale` is a command too.
    let verbs = if words.is_empty() { commands(root, before) } else { Vec::new() };
    let below = command.get_subcommands().map(|command| command.get_name().to_owned());
    command.get_positionals().flat_map(possible_values).chain(verbs).chain(below).collect()
}

fn possible_values(argument: &clap::Arg) -> Vec<String> {
    argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
}

/// The command that the words name, in either spelling, and the words after it.
fn command_of<'a>(root: &'a clap::Command, words: &'a [String]) -> Option<(&'a clap::Command, &'a [String])> {
    if let [topic, verb, rest @ ..] = words
        && let Some(command) = root.find_subcommand(format!("{topic}:{verb}"))
    {
        return Some((command, rest));
    }
    let (first, mut rest) = words.split_first()?;
    let mut command = root.find_subcommand(first)?;
    while let Some((below, after)) =
        rest.split_first().and_then(|(word, after)| Some((command.find_subcommand(word)?, after)))
    {
        (command, rest) = (below, after);
    }
    Some((command, rest))
}

/// The names of commands, or what may follow the topic that was said alone.
fn commands(root: &clap::Command, before: &[String]) -> Vec<String> {
    let all = root.get_subcommands().filter(|command| !command.is_hide_set());
    let all = all.flat_map(|command| command.get_name_and_visible_aliases());
    match before {
        [] => all.map(str::to_owned).collect(),
        [topic] => all.filter_map(|name| name.strip_prefix(&format!("{topic}:")).map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Subcommand;

    use super::*;

    fn answered(line: &str) -> Vec<String> {
        let root = crate::Command::augment_subcommands(clap::Command::new("renga"));
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (last, before) = words.split_last().unwrap();
        let names = |named| match named {
            Named::App => vec!["shop".to_owned(), "blog".to_owned()],
            Named::Profile => vec!["work".to_owned()],
        };
        let mut answers = answers(&root, before, last, &names);
        answers.retain(|answer| answer.starts_with(last.as_str()));
        answers
    }

    #[test]
    fn commands_are_completed_in_either_spelling() {
        assert_eq!(answered("ps:sc"), ["ps:scale"]);
        assert_eq!(answered("ps sc"), ["scale"]);
        assert_eq!(answered("config "), ["get", "set", "unset"]);
        assert!(answered("r").contains(&"releases".to_owned()));
        assert!(answered("").iter().all(|answer| answer != "git-credentials" && answer != "complete"));
    }

    #[test]
    fn options_and_their_values_are_completed() {
        assert_eq!(answered("logs --ta"), ["--tail"]);
        assert_eq!(answered("logs --source h"), ["heroku"]);
        assert_eq!(answered("ps scale --app s"), ["shop"]);
        assert_eq!(answered("info -a b"), ["blog"]);
        assert_eq!(answered("env --profile "), ["work"]);
        assert_eq!(answered("completions z"), ["zsh"]);
    }
}
