use std::sync::{Arc, Mutex};

use super::*;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stories_of_all_four_vendors_go_as_the_rules_say() {
    let page = Page::default();
    let told = tell(Box::new(page.clone())).await;

    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let text = anstream::adapter::strip_str(&text).to_string();
    let told = told.unwrap_or_else(|error| panic!("{error:#}\n{text}"));
    assert_eq!(told.off, Vec::<String>::new(), "{text}");
    assert!(told.checked > 100, "only {} things were checked", told.checked);
}
