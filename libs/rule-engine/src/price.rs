//! What a renewal costs, and why (M-1 to M-9).
//!
//! A [`PriceBook`] is compiled once from the [`PriceList`] of a catalog; [`PriceBook::quote`] is
//! the only function that makes a price: a preview, the calculator, an order and an automatic
//! renewal all show and charge what it says.
//!
//! ```text
//! components × price list ─▶ list (months × monthly, odd days) ─▶ tier on the months
//!        ─▶ the one best discount ─▶ rounded once: the payable
//! ```

mod book;
mod check;
mod compile;
mod component;
mod discount;
mod exact;
mod facts;
mod list;
mod quote;
mod tier;

pub use self::{
    book::PriceBook,
    check::{Mistake, Place},
    component::{BadQuantity, Component},
    discount::{Condition, Discount, DiscountFacts, DiscountKind, Off},
    facts::{PriceFacts, PriceRefused},
    list::{Bracket, MonthlyRate, PriceEntry, PriceList, PricedProduct},
    quote::{AppliedDiscount, Charge, Line, LineKind, Quote, order_total},
    tier::{Pays, Tier, tier_for},
};
