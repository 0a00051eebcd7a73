//! `perennial demo`: the stories of four vendors and of money, told on a suite that runs in this process on
//! temporary SQLite files, and checked against the rules' own figures.
//!
//! ```text
//! world    the suite, its clock and its clients     jdcloud, kingsoft, aliyun, huaweicloud
//! story    prints, checks, counts                   vouchers, checkout, refunds: the money
//! gateway  a payment channel                        nights: what renews itself
//!                                                   books: balances, ledgers, audit
//! ```

mod aliyun;
mod books;
mod checkout;
mod gateway;
mod huaweicloud;
mod jdcloud;
mod kingsoft;
mod nights;
mod refunds;
mod rows;
mod story;
mod vouchers;
mod world;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use self::{story::Story, world::World};
use crate::{
    output::Unwritten,
    text::table::{Look, look},
};

/// How the stories went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// How many things were checked.
    pub checked: usize,
    /// What was not as it should be, one sentence each.
    pub off: Vec<String>,
}

/// Tells the stories on standard output, and fails if anything was off.
pub async fn run() -> anyhow::Result<ExitCode> {
    let told = tell(Box::new(anstream::stdout())).await;
    let told = told.map_err(|error| match error.downcast::<io::Error>() {
        Ok(error) => Unwritten::from(error).into(),
        Err(error) => error,
    })?;
    Ok(if told.off.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tells the stories to `out`.
pub async fn tell(out: Box<dyn Write + Send>) -> anyhow::Result<Told> {
    let mut story = Story::new(World::start().await?, out);
    prologue(&mut story).await?;
    // A chapter that breaks off is told as such; the others and the audit still follow.
    let jdcloud = jdcloud::tell(&mut story).await;
    story.survive(jdcloud)?;
    let kingsoft = kingsoft::tell(&mut story).await;
    story.survive(kingsoft)?;
    let vouchers = vouchers::tell(&mut story).await;
    story.survive(vouchers)?;
    let aliyun = aliyun::tell(&mut story).await;
    story.survive(aliyun)?;
    let huaweicloud = huaweicloud::tell(&mut story).await;
    story.survive(huaweicloud)?;
    let money = money(&mut story).await;
    story.survive(money)?;
    let nights = nights::tell(&mut story).await;
    story.survive(nights)?;
    books::tell(&mut story).await?;
    story.end()
}

/// What a channel pays, and how it goes back.
async fn money(story: &mut Story) -> anyhow::Result<()> {
    let order = checkout::tell(story).await?;
    refunds::tell(story, &order).await
}

async fn prologue(story: &mut Story) -> anyhow::Result<()> {
    story.chapter("Perennial", "One suite, four clouds; every difference between them is data.")?;
    story.section("The catalogs of four vendors are applied")?;
    for (name, document) in world::CATALOGS {
        let changes = story.world.apply(document).await?;
        story.say(&format!("{name}: {changes} things are new"))?;
        let again = story.world.apply(document).await?;
        story.check(&format!("{name}, applied again, changes"), again, 0)?;
    }
    story.say(&look("Prices without a published source are marked so in the files.", Look::Quiet))
}

#[cfg(test)]
mod tests;
