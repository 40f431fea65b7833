//! `docs/reference/cli.md`: what the command line says of itself, as people read it.

use std::fmt::Write;

use admittance::cli::Cli;
use clap::{Arg, Command, CommandFactory};

use crate::sources::generated;

/// A text in one line, without what would end a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// An argument as it is written on a command line.
fn written(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
    let value = if arg.get_action().takes_values() { value } else { String::new() };
    let names = [arg.get_short().map(|short| format!("-{short}")), arg.get_long().map(|long| format!("--{long}"))];
    let names: Vec<_> = names.into_iter().flatten().collect();
    if names.is_empty() {
        return value;
    }
    let value = if value.is_empty() { value } else { format!(" {value}") };
    names.join(", ") + &value
}

/// What an argument means, may be, and is by default.
fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    // clap takes the last full stop away.
    if !text.ends_with(['.', ']']) {
        text.push('.');
    }
    let values: Vec<_> = arg.get_possible_values().into_iter().map(|value| format!("`{}`", value.get_name())).collect();
    if arg.get_action().takes_values() && !values.is_empty() {
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    if let Some(default) = arg.get_default_values().first() {
        let _ = write!(text, " Default: `{}`.", default.to_string_lossy());
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(text, " Environment: `{}`.", variable.to_string_lossy());
    }
    cell(&text)
}

fn rows<'a>(arguments: impl Iterator<Item = &'a Arg>, page: &mut String) {
    let mut told = arguments.filter(|arg| !["help", "version"].contains(&arg.get_id().as_str())).peekable();
    if told.peek().is_some() {
        page.push_str("\n| argument | meaning |\n|---|---|\n");
    }
    for arg in told {
        let _ = writeln!(
            page,
            "| `{}`{} | {} |",
            written(arg),
            if arg.is_required_set() { ", required" } else { "" },
            meaning(arg)
        );
    }
}

fn section(path: &str, command: &Command, page: &mut String) {
    let name = format!("{path} {}", command.get_name());
    // What only leads to others has nothing to say of its own.
    if command.has_subcommands() {
        command.get_subcommands().for_each(|below| section(&name, below, page));
        return;
    }
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let about = about.trim_end_matches('.');
    let _ = write!(page, "\n## {name}\n\n{about}.\n");
    rows(command.get_arguments().filter(|arg| !arg.is_global_set()), page);
    if let Some(after) = command.get_after_help() {
        let _ = write!(page, "\n```\n{after}\n```\n");
    }
}

fn page() -> String {
    let mut page = "# Command line\n\n*Generated from `src/cli/` by `BLESS=1 cargo test --test house`.*\n".to_owned();
    let command = Cli::command();
    page.push_str("\n`admittance help` and `admittance help COMMAND` say the same. Results go to standard output; logs, warnings and errors to standard error.\n");
    rows(command.get_arguments(), &mut page);
    for command in command.get_subcommands() {
        section("admittance", command, &mut page);
    }
    page
}

#[test]
fn the_reference_of_the_command_line_is_what_it_says_of_itself() {
    generated("docs/reference/cli.md", &page());
}

#[test]
fn no_command_and_no_argument_is_left_out() {
    let page = page();
    for row in [
        "## admittance inject\n",
        "## admittance check\n",
        "## admittance import topics\n",
        "  3  something would change, and nothing is refused",
        "| `-f, --filename FILE` |",
        "| `POD` | A living Pod",
        "| `-o, --output OUTPUT` |",
        "| `--default-cluster CLUSTER` |",
        "One of `deny`, `admit`. Default: `deny`.",
        "Environment: `ADMITTANCE_LOG`.",
        "  1  a Pod is refused; nothing was printed",
    ] {
        assert!(page.contains(row), "{row}");
    }
    for command in Cli::command().get_subcommands() {
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{} {} says nothing", command.get_name(), arg.get_id());
        }
    }
}
