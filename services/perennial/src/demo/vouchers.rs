//! Kingsoft Cloud's example of vouchers, to the cent (V-3).

use proto::{
    convert::timestamp,
    renewal::v1::InstanceRegistration,
    r#type::v1::PageRequest,
    wallet::v1::{IssueVouchersRequest, ListVouchersRequest, Voucher, VoucherGrant, VoucherTerms},
};

use super::{
    rows::{cny, metered, paid, renewal},
    story::Story,
    world::{ZONE, instant},
};
use crate::text::{bill, show};

const INITECH: &str = "initech";

/// The example: what is left of each voucher is compared by its place here.
const VOUCHERS: [(&str, &str, &str); 3] = [
    ("V1", "30.00", "2018-12-01 00:00"),
    ("V2", "80.00", "2018-12-01 00:00"),
    ("V3", "10.00", "2018-11-30 00:00"),
];

pub async fn tell(story: &mut Story) -> anyhow::Result<()> {
    story.chapter(
        "Vouchers",
        "initech pays by Kingsoft Cloud's strategy: nearest end, then largest.",
    )?;
    story.section("initech, its vouchers and what it rents")?;
    story.open(INITECH, "kingsoft", "25.00").await?;
    let vouchers = issue(story).await?;
    let eip = |id, mbps| {
        let settings = [("line_type", "bgp"), ("bandwidth_mbps", mbps)];
        paid(metered(INITECH, id, "ks-eip", &settings), "2018-07-21 00:00", "2018-08-20")
    };
    let rows: Vec<InstanceRegistration> = vec![eip("eip-150", "7.5")?, eip("eip-100", "5")?];
    story.register(rows).await?;
    too_little(story, &vouchers).await?;
    to_the_cent(story, &vouchers).await
}

async fn issue(story: &mut Story) -> anyhow::Result<Vec<Voucher>> {
    grant(story, INITECH, &VOUCHERS).await
}

/// Issues vouchers to `account`, each with a name for the story, a face and an end.
pub async fn grant(
    story: &mut Story,
    account: &str,
    vouchers: &[(&str, &str, &str)],
) -> anyhow::Result<Vec<Voucher>> {
    let grant = |(_, face, end): &(&str, &str, &str)| -> anyhow::Result<VoucherGrant> {
        let terms = VoucherTerms {
            valid_from: Some(timestamp(instant("2018-08-01 00:00")?)),
            expire_time: Some(timestamp(instant(end)?)),
            ..VoucherTerms::default()
        };
        let account_id = account.to_owned();
        Ok(VoucherGrant { account_id, face: Some(cny(face)), terms: Some(terms) })
    };
    let grants = vouchers.iter().map(grant).collect::<Result<_, _>>()?;
    let request = IssueVouchersRequest { request_id: story.world.request_id(), grants };
    let issued = story.world.vouchers().issue_vouchers(request).await?.into_inner().vouchers;
    for (voucher, (name, face, end)) in issued.iter().zip(vouchers) {
        let id = &voucher.voucher_id;
        story.say(&format!("{name}: CNY {face} until {end} ({id})"))?;
    }
    Ok(issued)
}

/// V-3: 145 are there, 150 are needed: nothing is taken.
async fn too_little(story: &mut Story, vouchers: &[Voucher]) -> anyhow::Result<()> {
    story.section("Fee 150.00, vouchers 120.00, cash 25.00: nothing is taken (V-3, A-3)")?;
    let order = story.order(INITECH, renewal(&["eip-150"], "1m")).await?;
    story.say(&bill::order(&order, ZONE))?;
    let refusal = order.payment_refusal.unwrap_or_default();
    story.check("the payment is refused with", refusal.reason, "INSUFFICIENT_FUNDS")?;
    story.check("needed", show::money(refusal.needed.as_ref()), "CNY 150.00")?;
    story.check("available", show::money(refusal.available.as_ref()), "CNY 145.00")?;
    story.check("missing", show::money(refusal.missing.as_ref()), "CNY 5.00")?;
    check_left(story, vouchers, ["CNY 30.00", "CNY 80.00", "CNY 10.00"]).await?;
    story.check_expiry(INITECH, "eip-150", "2018-08-20 23:59:59").await
}

/// V-3: V3 10, V2 80, V1 10.
async fn to_the_cent(story: &mut Story, vouchers: &[Voucher]) -> anyhow::Result<()> {
    story.section("Fee 100.00: V3 pays 10, V2 pays 80, V1 pays 10 (V-2, V-3)")?;
    let order = story.renew(INITECH, renewal(&["eip-100"], "1m")).await?;
    let parts = order.items.first().and_then(|item| item.parts.clone()).unwrap_or_default();
    let name = |id: &str| {
        let place = vouchers.iter().position(|voucher| voucher.voucher_id == id);
        place.map_or("?", |place| VOUCHERS[place].0)
    };
    let paid = parts
        .vouchers
        .iter()
        .map(|part| format!("{} {}", name(&part.voucher_id), show::money(part.amount.as_ref())));
    let paid = paid.collect::<Vec<_>>().join(", ");
    story.check("paid by", paid, "V3 CNY 10.00, V2 CNY 80.00, V1 CNY 10.00")?;
    let cash = parts.cash.unwrap_or_default().minor_units;
    story.check("minor units of cash that paid", cash, 0)?;
    check_left(story, vouchers, ["CNY 20.00", "CNY 0.00", "CNY 0.00"]).await
}

/// Checks what is left of each voucher, and that the cash was not touched.
async fn check_left(
    story: &mut Story,
    vouchers: &[Voucher],
    expected: [&str; 3],
) -> anyhow::Result<()> {
    let page = Some(PageRequest { page_size: 100, ..PageRequest::default() });
    let account_id = INITECH.to_owned();
    let request = ListVouchersRequest { account_id, page, ..ListVouchersRequest::default() };
    let list = story.world.vouchers().list_vouchers(request).await?.into_inner().vouchers;
    for ((voucher, (name, ..)), expected) in vouchers.iter().zip(VOUCHERS).zip(expected) {
        let now = list.iter().find(|now| now.voucher_id == voucher.voucher_id);
        let left = show::money(now.and_then(|now| now.remaining.as_ref()));
        story.check(&format!("left of {name}"), left, expected)?;
    }
    let cash = story.cash(INITECH).await?;
    story.check("cash", cash, "CNY 25.00")
}
