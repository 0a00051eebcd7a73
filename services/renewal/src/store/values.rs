//! Values as columns hold them.

use chrono::{DateTime, Utc};

use super::StoreError;

/// An instant as whole microseconds since 1970.
#[must_use]
pub fn micros(instant: DateTime<Utc>) -> i64 {
    instant.timestamp_micros()
}

/// The instant that `micros` stands for.
pub fn instant(micros: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| StoreError::Unreadable(format!("the instant {micros}")))
}

/// The word that a column holds, as one of the words that the rules know.
pub fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|error| StoreError::Unreadable(format!("the word {text:?} ({error})")))
}

/// The word of the rules as a column holds it: its serde name.
///
/// # Panics
///
/// If `value` is not written as a word.
pub fn text_of(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        other => panic!("the rules write this as a word, not as {other:?}"),
    }
}

/// What a JSON column holds.
pub fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable(format!("JSON ({error})")))
}

/// `value` as a JSON column holds it.
///
/// # Panics
///
/// If `value` cannot be written as JSON: a map whose keys are no words.
pub fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("labels and configurations have keys that are words")
}

#[cfg(test)]
mod tests {
    use rule_engine::kind::BillingMode;

    use super::*;

    #[test]
    fn words_are_written_as_the_rules_write_them() {
        assert_eq!(text_of(&BillingMode::Prepaid), "PREPAID");
        assert_eq!(word::<BillingMode>("POSTPAID").unwrap(), BillingMode::Postpaid);
        assert!(word::<BillingMode>("FREE").is_err());
    }

    #[test]
    fn instants_keep_their_microseconds() {
        let at = DateTime::from_timestamp_micros(1_718_899_200_000_001).unwrap();
        assert_eq!(instant(micros(at)).unwrap(), at);
    }
}
