//! Wallets, vouchers, payments, refunds, the ledger, and the requests and callbacks that were answered.

use platform::database::sorted_by_bytes;
use sea_orm::DbBackend;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let account = sorted_by_bytes(connection.get_database_backend(), string_len("account", 64));
        let tables = [wallets, vouchers, voucher_codes, payments, entries, callbacks, refunds];
        for table in tables {
            manager.create_table(table(account.clone())).await?;
        }
        manager.create_table(requests()).await?;
        manager.create_table(refunded_items()).await?;
        for statement in INDEXES {
            connection.execute_unprepared(statement).await?;
        }
        let more = match connection.get_database_backend() {
            DbBackend::Postgres => POSTGRES,
            _ => SQLITE,
        };
        for statement in more {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

/// A column that never falls below zero (W-2).
fn balance(name: &'static str) -> ColumnDef {
    big_integer(name).check(Expr::col(name).gte(0)).take()
}

/// A SHA-256.
fn hash(name: &'static str) -> ColumnDef {
    blob(name).check(Expr::cust(format!("length({name}) = 32"))).take()
}

fn wallets(mut account: ColumnDef) -> TableCreateStatement {
    Table::create()
        .table("wallets")
        .col(account.primary_key().take())
        .col(string_len("currency", 3))
        .col(balance("cash"))
        .col(balance("held"))
        .col(balance("issued"))
        .col(balance("entries"))
        .col(hash("head"))
        .col(balance("anchored"))
        .col(big_integer("created_us"))
        .check(Expr::col("anchored").lte(Expr::col("entries")))
        .take()
}

fn vouchers(account: ColumnDef) -> TableCreateStatement {
    let parts = ["captured", "held", "forfeited", "voided", "expired"];
    let whole =
        parts.into_iter().fold(Expr::col("remaining"), |sum, part| sum.add(Expr::col(part)));
    Table::create()
        .table("vouchers")
        .col(account)
        .col(uuid("id"))
        .col(string_len("currency", 3))
        .col(big_integer("face").check(Expr::col("face").gt(0)))
        .col(balance("remaining"))
        .col(balance("captured"))
        .col(balance("held"))
        .col(balance("forfeited"))
        .col(balance("voided"))
        .col(balance("expired"))
        .col(big_integer("from_us"))
        .col(big_integer("expires_us"))
        .col(text("terms"))
        .col(big_integer_null("revoked_us"))
        .col(boolean("swept").default(false))
        .col(big_integer("created_us"))
        .primary_key(Index::create().col("account").col("id"))
        .check(Expr::col("face").eq(whole))
        .check(Expr::col("from_us").lt(Expr::col("expires_us")))
        .take()
}

fn payments(account: ColumnDef) -> TableCreateStatement {
    Table::create()
        .table("payments")
        .col(account)
        .col(uuid("payment_id"))
        .col(string_len("state", 16))
        .col(uuid_null("order_id"))
        .col(big_integer_null("amount").check(Expr::col("amount").gte(0)))
        .col(string_len_null("currency", 3))
        .col(blob_null("digest"))
        .col(big_integer_null("as_of_us"))
        .col(blob("parts"))
        .col(text("vouchers"))
        .col(string("reason"))
        .col(text("message"))
        .col(big_integer_null("available"))
        .col(uuid_null("intent_id"))
        .col(string_len_null("channel", 64))
        .col(big_integer_null("channel_amount").check(Expr::col("channel_amount").gt(0)))
        .col(big_integer_null("expires_us"))
        .col(big_integer_null("confirmed_us"))
        .col(boolean("withdrawn").default(false))
        .col(big_integer("created_us"))
        .primary_key(Index::create().col("account").col("payment_id"))
        .check(Expr::col("state").is_in(["PENDING", "SUCCEEDED", "REFUSED", "VOIDED"]))
        .check(Expr::col("state").ne("SUCCEEDED").or(Expr::col("amount").is_not_null()))
        .check(Expr::col("state").ne("REFUSED").or(Expr::col("reason").ne("")))
        .check(Expr::col("state").ne("PENDING").or(Expr::col("intent_id").is_not_null()))
        .check(Expr::col("confirmed_us").is_null().or(Expr::col("state").eq("SUCCEEDED")))
        .check(Expr::cust("NOT withdrawn OR state = 'SUCCEEDED'"))
        .take()
}

fn entries(account: ColumnDef) -> TableCreateStatement {
    Table::create()
        .table("entries")
        .col(account)
        .col(big_integer("number").check(Expr::col("number").gt(0)))
        .col(string("debit"))
        .col(string("credit"))
        .col(big_integer("amount").check(Expr::col("amount").gt(0)))
        .col(string_len("currency", 3))
        .col(uuid_null("payment_id"))
        .col(uuid_null("order_id"))
        .col(uuid_null("refund_id"))
        .col(text("note"))
        .col(big_integer("created_us"))
        .col(hash("hash"))
        .primary_key(Index::create().col("account").col("number"))
        .check(Expr::col("debit").ne(Expr::col("credit")))
        // What an order was paid with says which payment and order it was.
        .check(Expr::cust(
            "credit NOT LIKE 'revenue:%' OR (payment_id IS NOT NULL AND order_id IS NOT NULL)",
        ))
        .take()
}

/// Vouchers that belong to nobody until somebody redeems their codes.
fn voucher_codes(mut account: ColumnDef) -> TableCreateStatement {
    Table::create()
        .table("voucher_codes")
        .col(string_len("code", 16).primary_key().take())
        .col(uuid("request_id"))
        .col(big_integer("number"))
        .col(big_integer("face").check(Expr::col("face").gt(0)))
        .col(string_len("currency", 3))
        .col(text("terms"))
        .col(account.null().take())
        .col(uuid_null("voucher_id"))
        .col(big_integer_null("redeemed_us"))
        .col(big_integer("created_us"))
        .check(Expr::cust("(voucher_id IS NULL) = (account IS NULL)"))
        .check(Expr::cust("(redeemed_us IS NULL) = (account IS NULL)"))
        .take()
}

fn requests() -> TableCreateStatement {
    Table::create()
        .table("wallet_requests")
        .col(string_len("method", 32))
        .col(uuid("request_id"))
        .col(blob("digest"))
        .col(text("made"))
        .col(big_integer("created_us"))
        .primary_key(Index::create().col("method").col("request_id"))
        .take()
}

fn refunds(account: ColumnDef) -> TableCreateStatement {
    Table::create()
        .table("refunds")
        .col(uuid("refund_id").primary_key())
        .col(account)
        .col(uuid("payment_id"))
        .col(uuid("order_id"))
        .col(string_len("state", 16))
        .col(blob("digest"))
        .col(balance("amount"))
        .col(string_len("currency", 3))
        .col(string_len_null("channel", 64))
        .col(big_integer_null("channel_amount").check(Expr::col("channel_amount").gt(0)))
        .col(blob("parts"))
        .col(big_integer("created_us"))
        .col(big_integer_null("confirmed_us"))
        .col(big_integer_null("remind_us"))
        .check(Expr::col("state").is_in(["PENDING", "SUCCEEDED"]))
        .check(Expr::col("state").ne("PENDING").or(Expr::col("remind_us").is_not_null()))
        .check(Expr::col("state").ne("PENDING").or(Expr::col("channel_amount").is_not_null()))
        .take()
}

fn refunded_items() -> TableCreateStatement {
    Table::create()
        .table("refunded_items")
        .col(uuid("payment_id"))
        .col(string_len("instance", 64))
        .col(uuid("refund_id"))
        .primary_key(Index::create().col("payment_id").col("instance"))
        .take()
}

fn callbacks(account: ColumnDef) -> TableCreateStatement {
    Table::create()
        .table("callbacks")
        .col(string_len("channel", 64))
        .col(string_len("message_id", 128))
        .col(blob("digest"))
        .col(string_len_null("money_id", 128))
        .col(string_len("outcome", 16))
        .col(string("reason"))
        .col(account)
        .col(uuid("payment_id"))
        .col(balance("amount"))
        .col(string_len("currency", 3))
        .col(big_integer("created_us"))
        .primary_key(Index::create().col("channel").col("message_id"))
        .take()
}

const INDEXES: &[&str] = &[
    // Payment ids come back without their account, and each is paid once.
    "CREATE UNIQUE INDEX payments_by_id ON payments (payment_id)",
    // The checkout reference that a channel brings back.
    "CREATE UNIQUE INDEX payments_by_intent ON payments (intent_id) WHERE intent_id IS NOT NULL",
    // What holds have to be released.
    "CREATE INDEX payments_pending ON payments (expires_us) WHERE state = 'PENDING'",
    // Refunds whose channel keeps silent.
    "CREATE INDEX refunds_to_remind ON refunds (remind_us) WHERE state = 'PENDING'",
    // Money of a channel is booked once.
    "CREATE UNIQUE INDEX callbacks_by_money ON callbacks (channel, money_id)
        WHERE money_id IS NOT NULL",
    // ListVouchers, and the vouchers that may pay.
    "CREATE INDEX vouchers_by_end ON vouchers (account, expires_us, id)",
    // What remains of vouchers that have expired.
    "CREATE INDEX vouchers_to_end ON vouchers (expires_us) WHERE NOT swept",
    // The codes that one request made, to answer it again.
    "CREATE UNIQUE INDEX voucher_codes_of_request ON voucher_codes (request_id, number)",
    // ListEntries of one payment.
    "CREATE INDEX entries_of_payment ON entries (account, payment_id)
        WHERE payment_id IS NOT NULL",
];

/// Room for updates on the page of the row that is locked most, and a ledger that is only added to.
const POSTGRES: &[&str] = &[
    "ALTER TABLE wallets SET (fillfactor = 70)",
    "CREATE FUNCTION entries_are_final() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'ledger entries are never changed or deleted'; END $$",
    "CREATE TRIGGER entries_are_final BEFORE UPDATE OR DELETE ON entries
        FOR EACH ROW EXECUTE FUNCTION entries_are_final()",
];

const SQLITE: &[&str] = &[
    "CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
        BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed or deleted'); END",
    "CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON entries
        BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed or deleted'); END",
];
