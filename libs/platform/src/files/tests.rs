use tokio::{task::yield_now, time::advance};

use super::*;

fn number(held: &[Vec<u8>]) -> anyhow::Result<u32> {
    Ok(std::str::from_utf8(&held[0])?.trim().parse()?)
}

#[tokio::test]
async fn what_a_file_holds_is_in_use_once_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number");
    fs::write(&path, "1").unwrap();
    let watched = Watched::start(vec![path.clone()], number).unwrap();
    assert_eq!(*watched.get(), 1);
    fs::write(&path, "2\n").unwrap();
    watched.look();
    assert_eq!(*watched.get(), 2);
}

#[tokio::test]
async fn the_last_good_value_stays_while_a_file_is_unusable_or_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number");
    fs::write(&path, "1").unwrap();
    let watched = Watched::start(vec![path.clone()], number).unwrap();
    fs::write(&path, "two").unwrap();
    watched.look();
    assert_eq!(*watched.get(), 1);
    fs::remove_file(&path).unwrap();
    watched.look();
    assert_eq!(*watched.get(), 1);
    fs::write(&path, "3").unwrap();
    watched.look();
    assert_eq!(*watched.get(), 3);
}

#[tokio::test]
async fn a_file_that_is_missing_or_unusable_at_first_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number");
    let error = Watched::start(vec![path.clone()], number).unwrap_err();
    assert!(format!("{error:#}").contains(&path.display().to_string()));
    fs::write(&path, "one").unwrap();
    let error = Watched::start(vec![path.clone()], number).unwrap_err();
    assert!(format!("{error:#}").contains(&path.display().to_string()));
}

#[tokio::test(start_paused = true)]
async fn files_are_looked_at_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("number");
    fs::write(&path, "1").unwrap();
    let watched = Watched::start(vec![path.clone()], number).unwrap();
    fs::write(&path, "2").unwrap();
    // It waits, its time comes, and it looks.
    yield_now().await;
    advance(INTERVAL).await;
    yield_now().await;
    assert_eq!(*watched.get(), 2);
}
