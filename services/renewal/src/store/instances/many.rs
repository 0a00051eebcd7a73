//! Instances of many accounts at once.

use kernel::ids::AccountId;
use sea_orm::{ConnectionTrait, FromQueryResult as _};

use super::{Loaded, Named, Reach, WITH_ACCOUNTS, closure, read_all};
use crate::store::{
    StoreError,
    accounts::{self, KnownAccount},
    entity::{account, instance},
};

/// An account, with those of its instances that are looked at.
#[derive(Debug)]
pub struct Holding {
    /// The account.
    pub account: KnownAccount,
    /// The instances, by id.
    pub loaded: Vec<Loaded>,
}

/// The instances that are named, with what is bound to them and their accounts, by account. One
/// statement, and one more where an open order holds any.
pub async fn load_with_accounts<C: ConnectionTrait>(
    connection: &C,
    named: &[Named<'_>],
    reach: Reach,
) -> Result<Vec<Holding>, StoreError> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let statement = closure(connection, named, reach, WITH_ACCOUNTS);
    let rows = connection.query_all_raw(statement).await?;
    let mut holdings: Vec<Holding> = Vec::new();
    let mut models = Vec::with_capacity(rows.len());
    for row in &rows {
        let model = instance::Model::from_query_result(row, "")?;
        // Each row repeats its account, which is read once.
        let known = holdings.last().map(|holding| holding.account.id.as_str());
        if known != Some(&model.account_id) {
            let account = accounts::read(&account::Model::from_query_result(row, "a_")?)?;
            holdings.push(Holding { account, loaded: Vec::new() });
        }
        models.push(model);
    }
    drop(rows);
    let mut holding = 0;
    for one in read_all(connection, models).await? {
        let is_of = |account: &AccountId| *account == one.instance.account;
        while !is_of(&holdings[holding].account.id) {
            holding += 1;
        }
        holdings[holding].loaded.push(one);
    }
    Ok(holdings)
}
