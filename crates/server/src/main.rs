//! The `renga` binary.

mod args;
mod backup;
mod data_dir;
mod git;
mod owner;
mod run;
mod service;
mod serving;
mod settings;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse_from(cli::joined(std::env::args_os(), &Args::command()));
    match execute(args.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Server(args) => run::server(&args).map(|()| ExitCode::SUCCESS),
        Command::Settings(args) => settings::show(&args).map(|()| ExitCode::SUCCESS),
        Command::Down(args) => run::down(&args).map(|()| ExitCode::SUCCESS),
        Command::Backup(command) => backup::run(&command).map(|()| ExitCode::SUCCESS),
        Command::Service(command) => service::run(&command).map(|()| ExitCode::SUCCESS),
        Command::Keeper { data_dir } => {
            runtime_local::keeper_main(&data_dir)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::GitHook { arguments } => Ok(git_server::hook_main(arguments)),
        Command::Client(command) => cli::run(command, &Args::command()),
    }
}
