use clap::{CommandFactory as _, Parser};

use super::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    client: ClientArgs,
}

fn parse(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
}

#[test]
fn the_flags_of_all_commands_fit_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_example_of_the_manual_is_a_command() {
    let mut checked = 0;
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().cloned());
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let help = help.replace("\\\n    ", "");
        for line in help.lines().filter_map(|line| line.trim().strip_prefix("perennial ")) {
            // Where its output goes is the shell's business.
            let words = shell_words(line.split(" >").next().unwrap_or(line));
            let parsed = Cli::try_parse_from(std::iter::once("perennial".to_owned()).chain(words));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} examples");
}

/// Every leaf command has an example.
#[test]
fn every_command_has_an_example() {
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().cloned());
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let is_leaf = command.get_subcommands().next().is_none();
        assert!(!is_leaf || help.contains("Example"), "{} has no example", command.get_name());
    }
}

/// Splits a line at spaces that are not between double quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('"').enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn a_selection_is_read_from_its_flags() {
    let line = "perennial renew -a acme vm-1 vm-2 -d 1y --tick eip-1 --standard-date=last \
                --best-effort --set flavor=g.n2.large --expect CNY560.00";
    assert!(parse(line).is_err(), "an amount needs a space before its currency");

    let line = "perennial renew -a acme vm-1 vm-2 -d 1y --tick eip-1 --standard-date=last";
    assert!(parse(line).is_ok());
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for line in [
        "perennial quote -a acme vm-1 --on 2026-01-31 --standard-date",
        "perennial renew -a acme vm-1 -d 1m --voucher x --no-vouchers",
        "perennial renew -a acme vm-1 --quote 0190",
        "perennial instances list -a acme --all --page-size 5",
        "perennial instances register --file rows.yaml vm-1",
        "perennial renew -a acme vm-1 -d 1w",
        "perennial renew -a acme vm-1 -d 1m --unpaid --voucher x",
        "perennial renew -a acme vm-1 -d 1m --unpaid --no-vouchers",
        "perennial renew -a acme vm-1 -d 1m --dry-run --unpaid",
        "perennial renew -a acme vm-1 -d 1m --dry-run --voucher x",
        "perennial renew -a acme --quote 0190 -d 1m",
        "perennial renew -a acme --quote 0190 --best-effort",
        "perennial accounts upsert --file rows.yaml acme",
        "perennial accounts upsert --file rows.yaml --currency USD",
        "perennial vouchers issue --file rows.yaml --single-use",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn numbers_that_the_manual_does_not_allow_are_refused() {
    for (flag, least, most) in [
        ("orders list -a acme --page-size", 1, 1_000),
        ("vouchers list -a acme --page-size", 1, 1_000),
        ("events --limit", 1, 1_000),
        ("instances policy -a acme vm-1 --policy auto --remaining", 1, 99),
        ("vouchers issue -a acme --face CNY --until 2027-01-01 --largest-share", 1, 100),
    ] {
        let read = |number: i32| {
            let mut words: Vec<_> = flag.split(' ').map(str::to_owned).collect();
            if let Some(amount) = words.iter_mut().find(|word| *word == "CNY") {
                "CNY 1.00".clone_into(amount);
            }
            // A number below zero is no flag.
            let flag = words.pop().unwrap();
            words.push(format!("{flag}={number}"));
            Cli::try_parse_from(std::iter::once("perennial".to_owned()).chain(words))
        };
        for (number, may) in
            [(-1, false), (least - 1, false), (least, true), (most, true), (most + 1, false)]
        {
            assert_eq!(read(number).is_ok(), may, "{flag} {number}");
        }
    }
}
