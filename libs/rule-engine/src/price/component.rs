//! Which parts of a configuration are priced.

use rust_decimal::Decimal;

use crate::configuration::Configuration;

/// The greatest quantity that is priced.
const MAX_QUANTITY: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// The most digits after the point that a quantity may have.
const MAX_QUANTITY_DIGITS: u32 = 6;

/// A part of a configuration that has a price (M-1).
///
/// It is absent, and costs nothing, where the setting that selects it is absent: `sku_from`, or
/// `quantity_from` for a component without `sku_from`. One that names neither is always there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name in the price list, for example `bandwidth`.
    pub name: String,
    /// The setting whose value selects the price; none: one price for all.
    pub sku_from: Option<String>,
    /// The setting whose value is the quantity; none, or absent beside a `sku_from`: 1.
    pub quantity_from: Option<String>,
}

/// What a configuration says of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Use<'a> {
    pub(super) sku: Option<&'a str>,
    pub(super) quantity: Decimal,
}

/// The value of a setting is no quantity (M-1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "setting {setting:?} must be a number from 0 to 1000000000 with at most 6 digits after the point"
)]
pub struct BadQuantity {
    /// The setting.
    pub setting: String,
}

impl Component {
    /// The price and the quantity that `configuration` asks for, if the component is in it.
    pub(super) fn used_by<'a>(
        &self,
        configuration: &'a Configuration,
    ) -> Result<Option<Use<'a>>, BadQuantity> {
        let value_of = |setting: &Option<String>| {
            setting.as_deref().and_then(|setting| configuration.get(setting))
        };
        let sku = value_of(&self.sku_from);
        let quantity = value_of(&self.quantity_from);
        let selected = match (&self.sku_from, &self.quantity_from) {
            (Some(_), _) => sku.is_some(),
            (None, Some(_)) => quantity.is_some(),
            (None, None) => true,
        };
        if !selected {
            return Ok(None);
        }
        let quantity = quantity.map_or(Some(Decimal::ONE), parse_quantity).ok_or_else(|| {
            BadQuantity { setting: self.quantity_from.clone().unwrap_or_default() }
        })?;
        Ok(Some(Use { sku, quantity }))
    }
}

/// A plain decimal number without sign or exponent, or nothing.
fn parse_quantity(text: &str) -> Option<Decimal> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let shaped = text.starts_with(|first: char| first.is_ascii_digit())
        && text.ends_with(|last: char| last.is_ascii_digit());
    if !plain || !shaped || text.len() > 20 {
        return None;
    }
    let quantity = Decimal::from_str_exact(text).ok()?.normalize();
    (quantity <= MAX_QUANTITY && quantity.scale() <= MAX_QUANTITY_DIGITS).then_some(quantity)
}

#[cfg(test)]
mod tests {
    use super::*;

    // M-1: a component whose settings are absent costs nothing.
    #[test]
    fn settings_select_components() {
        let configuration: Configuration =
            [("flavor", "small"), ("size", "40"), ("bad", "many")].into_iter().collect();
        let check = |sku_from: Option<&str>, quantity_from: Option<&str>, expected: &str| {
            let component = Component {
                name: "c".to_owned(),
                sku_from: sku_from.map(str::to_owned),
                quantity_from: quantity_from.map(str::to_owned),
            };
            let actual = match component.used_by(&configuration) {
                Ok(Some(used)) => format!("{:?} × {}", used.sku, used.quantity),
                Ok(None) => "absent".to_owned(),
                Err(bad) => bad.setting,
            };
            assert_eq!(actual, expected);
        };
        check(None, None, "None × 1");
        check(Some("flavor"), None, r#"Some("small") × 1"#);
        check(Some("flavor"), Some("size"), r#"Some("small") × 40"#);
        check(Some("flavor"), Some("none"), r#"Some("small") × 1"#);
        check(Some("none"), Some("size"), "absent");
        check(None, Some("none"), "absent");
        check(None, Some("size"), "None × 40");
        check(None, Some("bad"), "bad");
    }

    #[test]
    fn a_quantity_is_a_plain_number() {
        for (good, value) in [("0", "0"), ("5", "5"), ("0.5", "0.5"), ("1000000000", "1000000000")]
        {
            assert_eq!(
                parse_quantity(good).map(|quantity| quantity.to_string()).as_deref(),
                Some(value)
            );
        }
        for bad in [
            "",
            ".",
            "-1",
            "+1",
            "1.",
            ".5",
            "1e3",
            "NaN",
            "inf",
            "1_0",
            "1000000001",
            "0.0000001",
            "5 Mbps",
            "1.2.3",
        ] {
            assert_eq!(parse_quantity(bad), None, "{bad}");
        }
        assert_eq!(parse_quantity(&"9".repeat(1 << 20)), None);
    }
}
