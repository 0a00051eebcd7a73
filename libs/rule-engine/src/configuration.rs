//! What an instance is made of, as its product writes it.

use serde::{Deserialize, Serialize};

/// One property of a configuration, for example `flavor` = `g.n2.medium`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The property.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// An ordered list of settings. The product says by its components which of them are priced
/// (M-1); the others only describe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Configuration {
    /// In the order in which the product shows them; names are unique.
    pub settings: Vec<Setting>,
}

impl Configuration {
    /// The value of the setting with this name, if there is one; names are case-sensitive.
    ///
    /// ```
    /// use rule_engine::configuration::Configuration;
    /// let configuration: Configuration = [("flavor", "g.s1.micro")].into_iter().collect();
    /// assert_eq!(configuration.get("flavor"), Some("g.s1.micro"));
    /// assert_eq!(configuration.get("Flavor"), None);
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let setting = self.settings.iter().find(|setting| setting.name == name)?;
        Some(&setting.value)
    }

    /// The first name that occurs more than once, if one does: such a configuration is refused
    /// where it comes in.
    #[must_use]
    pub fn duplicate(&self) -> Option<&str> {
        let names = || self.settings.iter().map(|setting| setting.name.as_str());
        names()
            .enumerate()
            .find(|&(at, name)| names().take(at).any(|other| other == name))
            .map(|(_, name)| name)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Configuration {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(pairs: T) -> Self {
        let setting = |(name, value): (N, V)| Setting { name: name.into(), value: value.into() };
        Self { settings: pairs.into_iter().map(setting).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_given_twice_is_found() {
        let twice: Configuration = [("a", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        assert_eq!(twice.duplicate(), Some("a"));
        assert_eq!(Configuration::default().duplicate(), None);
    }
}
