use clap::Parser as _;
use platform::{database::Backend, memory};

use super::*;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    suite: SuiteArgs,
}

fn suite(words: &[&str]) -> SuiteArgs {
    Line::try_parse_from([&["perennial"], words].concat()).unwrap().suite
}

#[test]
fn the_command_line_is_consistent() {
    use clap::CommandFactory as _;
    crate::Cli::command().debug_assert();
}

#[test]
fn naming_no_service_means_all_of_them_on_files_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("deep/data");
    let mut suite = suite(&["--data-dir", data.to_str().unwrap()]);
    suite.settle().unwrap();

    assert_eq!(suite.roles, Role::ALL);
    assert!(data.is_dir());
    let url = &suite.wallet.wallet_database_url;
    assert_eq!(url.backend(), Backend::Sqlite);
    assert!(url.as_str().ends_with("deep/data/wallet.db"));
}

#[test]
fn a_service_that_is_named_keeps_its_own_database() {
    let mut suite = suite(&["wallet", "--wallet-database-url", "postgres://u@h/w"]);
    suite.settle().unwrap();
    assert_eq!(suite.roles, [Role::Wallet]);
    assert_eq!(suite.wallet.wallet_database_url.as_str(), "postgres://u@h/w");
}

#[test]
fn a_database_is_not_passed_over_because_no_service_is_named() {
    for name in ["catalog", "wallet", "renewal", "scheduler"] {
        let flag = format!("--{name}-database-url");
        let error = suite(&[&flag, "postgres://u@h/x"]).name_all().unwrap_err().to_string();
        assert!(error.starts_with(&flag), "{error}");
    }
}

#[test]
fn services_of_one_process_meet_in_memory_and_others_by_address() {
    let (connector, _listener) = memory::pair();
    let wired = suite(&["renewal", "wallet"]).wired(&connector).unwrap();
    assert!(matches!(wired.renewal.wallet_address, Peer::Memory(_)));
    assert!(matches!(wired.renewal.catalog_address, Peer::Address(_)));
}

#[test]
fn only_public_services_of_this_process_are_named() {
    let names = suite(&["renewal"]).service_names().unwrap();
    assert!(names.contains(&"perennial.renewal.v1.OrderService".to_owned()), "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("perennial.renewal.v1.")), "{names:?}");
}
